package comparecmd_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// ink counts the pixels of a chart's canvas that are neither clear nor grey:
// what its curves have drawn.
const ink = `(() => {
  const c = document.querySelector("#%s canvas");
  const copy = document.createElement("canvas"); // reading one twice makes chrome warn
  copy.width = c.width;
  copy.height = c.height;
  const g = copy.getContext("2d", {willReadFrequently: true});
  g.drawImage(c, 0, 0);
  const d = g.getImageData(0, 0, c.width, c.height).data;
  let n = 0;
  for (let i = 0; i < d.length; i += 4) if (d[i+3] > 60 && Math.max(d[i], d[i+1], d[i+2]) - Math.min(d[i], d[i+1], d[i+2]) > 60) n++;
  return n;
})()`

// TestPage opens report.html in a real browser: curves are there, toggles work,
// nothing is fetched, no error is logged, and it can be read on a phone and on
// a wide window.
func TestPage(t *testing.T) {
	ctx := browser(t)
	dir := filepath.Join(t.TempDir(), "study")
	run(t, "--requests", zipfFile(t), "--policies", "all", "--entries", "1..512", "--slots", "256,1024,4096", "--workers", "1", "--out", dir)
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
	url := "file://" + filepath.Join(dir, "report.html")
	do("open", chromedp.EmulateViewport(1600, 1000), chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS("#keys input")))
	settle := func() {
		t.Helper()
		do("settle", chromedp.Evaluate[chromedp.Void](`new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => r(1), 60))))`, chromedp.EvalAwaitPromise))
	}
	for _, size := range []struct{ w, h int64 }{{390, 844}, {1600, 1000}} {
		do("resize", chromedp.EmulateViewport(size.w, size.h))
		settle()
		scroll := eval[int64](t, ctx, `document.documentElement.scrollWidth`)
		client := eval[int64](t, ctx, `document.documentElement.clientWidth`)
		if scroll > client || client != size.w {
			t.Errorf("%d px wide: the page is %d px wide in a window of %d", size.w, scroll, client)
		}
		for _, id := range []string{"chart-curves", "chart-hits", "chart-ws", "chart-pop", "chart-reuse"} {
			n := eval[int](t, ctx, fmt.Sprintf(ink, id))
			w := eval[int](t, ctx, fmt.Sprintf(`document.querySelector("#%s canvas").clientWidth`, id))
			p := eval[int](t, ctx, fmt.Sprintf(`document.querySelector("#%s").clientWidth`, id))
			if n < 100 {
				t.Errorf("%d px wide: %s: %d coloured pixels: no curve", size.w, id, n)
			}
			if w != p || w > int(size.w) || w < 200 {
				t.Errorf("%d px wide: %s: chart of %d px in %d", size.w, id, w, p)
			}
		}
		if shots := os.Getenv("JITNIC_SHOTS"); shots != "" { // to look at
			png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(shots, fmt.Sprintf("page-%d.png", size.w)), png, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Toggles: a policy off and on again changes what is drawn, and the curve
	// that hit ratios are drawn for.
	count := func() (n, hits int) {
		settle()
		return eval[int](t, ctx, `jitnic.charts["chart-curves"].series.filter((s, i) => i && s.show).length`),
			eval[int](t, ctx, `jitnic.charts["chart-hits"].series.filter((s, i) => i && s.show).length`)
	}
	n0, _ := count()
	ink0 := eval[int](t, ctx, fmt.Sprintf(ink, "chart-curves"))
	do("toggle", chromedp.Click(chromedp.CSS(`#keys input[data-cache="lru"]`)))
	n1, h1 := count()
	ink1 := eval[int](t, ctx, fmt.Sprintf(ink, "chart-curves"))
	if n1 != n0-1 || h1 != n1 || ink1 >= ink0 {
		t.Errorf("lru off: %d curves of %d (%d over time), %d coloured pixels of %d", n1, n0, h1, ink1, ink0)
	}
	do("toggle", chromedp.Click(chromedp.CSS(`#keys input[data-cache="lru"]`)))
	n2, _ := count()
	ink2 := eval[int](t, ctx, fmt.Sprintf(ink, "chart-curves"))
	if n2 != n0 || ink2 != ink0 {
		t.Errorf("lru off and on: %d curves of %d, %d coloured pixels of %d", n2, n0, ink2, ink0)
	}
	names := eval[int](t, ctx, `jitnic.names.length`)
	for pick, want := range map[string]int{"all": names, "none": 0, "best": n0} {
		do("button", chromedp.Click(chromedp.CSS(`button[data-pick="`+pick+`"]`)))
		if n, _ := count(); n != want {
			t.Errorf("button %s: %d curves, want %d", pick, n, want)
		}
	}
	// Hover tells sizes and numbers.
	do("best", chromedp.Click(chromedp.CSS(`button[data-pick="best"]`)))
	do("hover", chromedp.Evaluate[chromedp.Void](`(() => { const o = jitnic.charts["chart-curves"].over, r = o.getBoundingClientRect();
  const at = {clientX: r.left + r.width / 2, clientY: r.top + 50, bubbles: true};
  o.dispatchEvent(new MouseEvent("mouseenter", at)); o.dispatchEvent(new MouseEvent("mousemove", at)); })()`))
	settle()
	tip := eval[string](t, ctx, `(() => { const t = document.querySelector("#chart-curves .tip"); return getComputedStyle(t).display === "none" ? "" : t.textContent; })()`)
	if !strings.Contains(tip, "entries") || !strings.Contains(tip, "lru") || !strings.Contains(tip, "%") {
		t.Errorf("tip under the cursor: %q", tip)
	}
	// The other unit and the distance to the bound.
	for _, s := range []string{`"unit", "slots"`, `"metric", "above"`} {
		do("select", chromedp.Evaluate[chromedp.Void](`((id, v) => { const s = document.getElementById(id); s.value = v; s.dispatchEvent(new Event("change")); })(`+s+`)`))
	}
	settle()
	last := eval[[]float64](t, ctx, `(() => { const u = jitnic.charts["chart-curves"], row = n => u.data[jitnic.names.findIndex(c => c.name === n) + 1][1]; return [u.data[0].length, row("pfoo-l"), row("fifo")]; })()`)
	if len(last) != 3 || last[0] != 3 || last[1] != 0 || last[2] <= 0 {
		t.Errorf("slots above the bound: sizes, pfoo-l, fifo: %v", last)
	}
	if fetched := eval[[]string](t, ctx, `performance.getEntriesByType("resource").map(e => e.name).filter(n => !n.startsWith("data:"))`); len(fetched) > 0 {
		t.Errorf("the page fetched %q", fetched)
	}
	// What is nearly nothing can be opened too: one path at one size, nothing
	// but uncacheable packets, and a study interrupted before its first point.
	for i, text := range []string{"id\n7\n", "id\n\"\"\n\"\"\n", "id\n1\n2\n1\n"} {
		file := filepath.Join(t.TempDir(), "<\\script><b>x&.csv")
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		runCtx, stop := context.WithCancel(t.Context())
		if i == 2 {
			stop()
		}
		out := filepath.Join(t.TempDir(), "small")
		if _, err := try(runCtx, "--requests", file, "--policies", "lru,infinite", "--entries", "4", "--out", out); (err != nil) != (i == 2) {
			t.Fatal(err)
		}
		stop()
		do("open", chromedp.Navigate("file://"+filepath.Join(out, "report.html")), chromedp.WaitVisible(chromedp.CSS("#chart-curves canvas")))
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
	if len(trouble) != 1 || !strings.Contains(trouble[0], "the end") {
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
