package feasibilitycmd_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browser starts the real thing, or skips.
func browser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); name != "" && err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no chromium or chrome: install Debian's chromium, or name one in CHROMIUM")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.WSURLReadTimeout(60*time.Second))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// drawn lists the charts that are seen, with their widths and the number of
// pixels that are neither clear nor grey: what their curves have drawn.
const drawn = `[...document.querySelectorAll(".chart")].filter(el => el.clientWidth).map(el => {
  const c = el.querySelector("canvas");
  if (!c) return {id: el.id, ink: 0, width: 0, room: el.clientWidth};
  const copy = document.createElement("canvas"); // reading one twice makes chrome warn
  copy.width = c.width;
  copy.height = c.height;
  const g = copy.getContext("2d", {willReadFrequently: true});
  g.drawImage(c, 0, 0);
  const d = g.getImageData(0, 0, c.width, c.height).data;
  let n = 0;
  for (let i = 0; i < d.length; i += 4) if (d[i+3] > 60 && Math.max(d[i], d[i+1], d[i+2]) - Math.min(d[i], d[i+1], d[i+2]) > 60) n++;
  return {id: el.id, ink: n, width: c.clientWidth, room: el.clientWidth};
})`

type chart struct {
	ID               string
	Ink, Width, Room int
}

// TestPage opens report.html in a real browser: all sections and curves are
// there in each device's tab, links lead to parameters, nothing is fetched, no
// error is logged, and it can be read on a phone and on a wide window.
func TestPage(t *testing.T) {
	ctx := browser(t)
	_, dir := study(t)
	do := func(what string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	var mu sync.Mutex
	var trouble []string
	console := chromedp.Console(ctx)
	go func() {
		for m, err := range console {
			if err != nil {
				return
			}
			mu.Lock()
			trouble = append(trouble, m.String())
			mu.Unlock()
		}
	}()
	do("open", chromedp.EmulateViewport(1600, 1000), chromedp.Navigate("file://"+filepath.Join(dir, "report.html")), chromedp.WaitVisible(chromedp.CSS("#overview")))
	settle := func() {
		t.Helper()
		do("settle", chromedp.Evaluate[chromedp.Void](`new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => r(1), 60))))`, chromedp.EvalAwaitPromise))
	}
	sections := map[string][]string{"hxdp": nil, "netronome": nil}
	for nic := range sections {
		for _, s := range []string{"verdict", "fit", "match", "exec", "load", "memory", "sensitivity", "designs", "params"} {
			sections[nic] = append(sections[nic], nic+"-"+s)
		}
	}
	for _, size := range []struct{ w, h int64 }{{390, 844}, {1600, 1000}} {
		do("resize", chromedp.EmulateViewport(size.w, size.h))
		for _, nic := range []string{"hxdp", "netronome"} {
			do("tab", chromedp.Click(chromedp.CSS("#tab-"+nic)))
			do("open", chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach(d => { d.open = true; })`))
			settle()
			where := fmt.Sprintf("%s, %d px wide", nic, size.w)
			scroll := eval[int64](t, ctx, `document.documentElement.scrollWidth`)
			client := eval[int64](t, ctx, `document.documentElement.clientWidth`)
			if scroll > client || client != size.w {
				wide := eval[[]string](t, ctx, `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll")).slice(0, 6).map(e => e.tagName + "." + e.className)`)
				t.Errorf("%s: the page is %d px wide in a window of %d: %q", where, scroll, client, wide)
			}
			charts := eval[[]chart](t, ctx, drawn)
			if len(charts) != 10 { // four of all devices, six of this one
				t.Errorf("%s: %d charts are seen, want 10: %v", where, len(charts), charts)
			}
			for _, c := range charts {
				if c.Ink < 100 || c.Width != c.Room || c.Width > int(size.w) || c.Width < 200 {
					t.Errorf("%s: %s: %d coloured pixels, %d px wide in %d", where, c.ID, c.Ink, c.Width, c.Room)
				}
			}
			seen := eval[[]string](t, ctx, `[...document.querySelectorAll(".device section")].filter(e => e.clientHeight > 60).map(e => e.id)`)
			if fmt.Sprint(seen) != fmt.Sprint(sections[nic]) {
				t.Errorf("%s: sections %v are seen, want %v", where, seen, sections[nic])
			}
			if bars := eval[int](t, ctx, `[...document.querySelectorAll(".track i")].filter(e => e.clientWidth > 2).length`); bars < 10 {
				t.Errorf("%s: %d bars", where, bars)
			}
			if shots := os.Getenv("JITNIC_SHOTS"); shots != "" { // to look at
				png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(shots, fmt.Sprintf("%s-%d.png", nic, size.w)), png, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	// Every link leads somewhere, those of parameters to a line with a source.
	if lost := eval[[]string](t, ctx, `[...document.querySelectorAll("a[href^='#']")].map(a => a.getAttribute("href")).filter(h => !document.getElementById(h.slice(1)))`); len(lost) > 0 {
		t.Errorf("links to nothing: %q", lost)
	}
	if n := eval[int](t, ctx, `document.querySelectorAll("a[href^='#p-']").length`); n < 60 {
		t.Errorf("%d links to parameters", n)
	}
	if bare := eval[[]string](t, ctx, `[...document.querySelectorAll("tr[id^='p-']")].filter(r => !r.cells[1].textContent || !r.cells[3].textContent).map(r => r.id)`); len(bare) > 0 {
		t.Errorf("parameters without a value or a source: %q", bare)
	}
	// A link into the other device's tab opens it.
	do("link", chromedp.Evaluate[chromedp.Void](`location.hash = "#p-hxdp-pcie.read"`))
	settle()
	if !eval[bool](t, ctx, `!document.getElementById("device-hxdp").hidden && document.getElementById("device-netronome").hidden && document.getElementById("p-hxdp-pcie.read").getBoundingClientRect().top < innerHeight`) {
		t.Error("a link to a parameter of a device that is not shown does not show it")
	}
	// Hover tells rates and numbers.
	do("hover", chromedp.Evaluate[chromedp.Void](`(() => { const o = jitnic.charts["hxdp-throughput"].over, r = o.getBoundingClientRect();
  const at = {clientX: r.left + r.width / 2, clientY: r.top + 50, bubbles: true};
  o.dispatchEvent(new MouseEvent("mouseenter", at)); o.dispatchEvent(new MouseEvent("mousemove", at)); })()`))
	settle()
	if tip := eval[string](t, ctx, `(() => { const t = document.querySelector("#chart-hxdp-throughput .tip"); return getComputedStyle(t).display === "none" ? "" : t.textContent; })()`); len(tip) < 20 {
		t.Errorf("tip under the cursor: %q", tip)
	}
	if fetched := eval[[]string](t, ctx, `performance.getEntriesByType("resource").map(e => e.name).filter(n => !n.startsWith("data:"))`); len(fetched) > 0 {
		t.Errorf("the page fetched %q", fetched)
	}
	// A study that was interrupted, and a quick one, can be opened too.
	for i, left := range []int{9, 1 << 30} {
		out := filepath.Join(t.TempDir(), "small")
		try(&cutAfter{Context: t.Context(), left: left}, "--program", "sample:firewall", "--capture", "sample:dns", "--packets", "300", "--workers", "1", "--quick", "--out", out)
		do("open", chromedp.Navigate("file://"+filepath.Join(out, "report.html")), chromedp.WaitVisible(chromedp.CSS("h1")))
		settle()
		if !eval[bool](t, ctx, `!!window.jitnic`) {
			t.Errorf("small page %d: the script did not run to its end", i)
		}
	}
	// The listener works: what is said now is heard, and nothing before it.
	do("say", chromedp.Evaluate[chromedp.Void](`console.error("the end")`))
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		mu.Lock()
		n := len(trouble)
		mu.Unlock()
		if n > 0 {
			break
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(trouble) != 1 {
		t.Errorf("the console has %q, want the last message alone", trouble)
	}
}

func eval[T any](t *testing.T, ctx context.Context, js string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js))
	if err != nil {
		t.Fatalf("%s: %v", js, err)
	}
	return v
}
