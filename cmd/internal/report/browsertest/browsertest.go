// Package browsertest opens the verbs' pages in a real, headless browser:
// whether curves are drawn, the page fits a phone and a wide window, nothing is
// fetched and no error is logged.
package browsertest

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

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Browser is one window of a chromium, which ends with its test.
type Browser struct {
	t   testing.TB
	ctx context.Context

	mu      sync.Mutex
	console []string // what pages have logged
}

// Start starts chromium or chrome, the one that CHROMIUM names first, and skips
// the test where there is none.
func Start(t testing.TB) *Browser {
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
	b := &Browser{t: t, ctx: ctx}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			b.mu.Lock()
			b.console = append(b.console, m.String())
			b.mu.Unlock()
		}
	}()
	return b
}

// Do takes steps; what names them where one fails.
func (b *Browser) Do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

// Eval is a JavaScript expression's value.
func Eval[T any](b *Browser, js string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js))
	if err != nil {
		b.t.Fatalf("%s: %v", js, err)
	}
	return v
}

// Open opens a file and waits for what the CSS selector names.
func (b *Browser) Open(file, selector string) {
	b.t.Helper()
	b.Do("open "+file, chromedp.Navigate("file://"+file), chromedp.WaitVisible(chromedp.CSS(selector)))
	b.settle()
}

// Click clicks what the CSS selector names.
func (b *Browser) Click(selector string) {
	b.t.Helper()
	b.Do("click "+selector, chromedp.Click(chromedp.CSS(selector)))
	b.settle()
}

// Script runs JavaScript for what it does.
func (b *Browser) Script(js string) {
	b.t.Helper()
	b.Do(js, chromedp.Evaluate[chromedp.Void](js))
	b.settle()
}

// settle waits until the page has drawn what was asked of it.
func (b *Browser) settle() {
	b.t.Helper()
	b.Do("settle", chromedp.Evaluate[chromedp.Void](`new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => r(1), 60))))`, chromedp.EvalAwaitPromise))
}

// sizes are the widths and heights in px that pages are looked at in: a phone's, a
// tablet's, and a desk's, which stays.
var sizes = []struct{ width, height int64 }{{390, 844}, {768, 1024}, {1600, 1000}}

// Each calls look for each size of window, in the dark and in the light; name is
// for pictures. The last is a desk in the light, which stays.
func (b *Browser) Each(look func(where, name string)) {
	b.t.Helper()
	for _, s := range sizes {
		for _, scheme := range []string{"dark", "light"} {
			b.Scheme(scheme)
			b.Resize(s.width, s.height)
			look(fmt.Sprintf("%d px wide, %s", s.width, scheme), fmt.Sprintf("%d-%s", s.width, scheme))
		}
	}
}

// Scheme makes the browser's colours "light" or "dark".
func (b *Browser) Scheme(scheme string) {
	b.t.Helper()
	b.Do("colours", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	}))
	b.settle()
}

// contrast lists texts that are hard to read: below 4.5 : 1 (WCAG 2, 1.4.3) on the
// next background that is not clear.
const contrast = `(() => {
  const rgb = s => s.match(/[\d.]+/g).map(Number);
  const light = c => c.slice(0, 3).map(v => (v /= 255) <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4)).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const out = new Set();
  for (const e of document.querySelectorAll("body *")) {
    if (!e.clientWidth && !e.offsetWidth || ![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    const a = light(rgb(getComputedStyle(e).color)), b = light(behind(e));
    const r = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (r < 4.5 && getComputedStyle(e).visibility === "visible") out.add(e.tagName + "." + e.className + " in " + e.parentElement.className + ": " + r.toFixed(1));
  }
  return [...out].slice(0, 8);
})()`

// Readable checks that texts stand out from what is behind them.
func (b *Browser) Readable(where string) {
	b.t.Helper()
	if bad := Eval[[]string](b, contrast); len(bad) > 0 {
		b.t.Errorf("%s: hard to read: %q", where, bad)
	}
}

// Resize makes the window so large.
func (b *Browser) Resize(width, height int64) {
	b.t.Helper()
	b.Do("resize", chromedp.EmulateViewport(width, height))
	b.settle()
}

// Fits checks that nothing but what scrolls by itself is wider than the window.
func (b *Browser) Fits(where string) {
	b.t.Helper()
	v := Eval[[]int64](b, `[document.documentElement.scrollWidth, document.documentElement.clientWidth, innerWidth]`)
	if v[0] > v[1] || v[1] != v[2] {
		wide := Eval[[]string](b, `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll")).slice(0, 6).map(e => e.tagName + "." + e.className)`)
		b.t.Errorf("%s: the page is %d px wide in a window of %d: %q", where, v[0], v[2], wide)
	}
}

// Chart is what is seen of a chart.
type Chart struct {
	ID    string // its element's
	Ink   int    // pixels that are neither clear nor grey: what its curves have drawn
	Width int    // of the canvas, px
	Room  int    // for it, px
}

const drawn = `[...document.querySelectorAll(%q)].filter(el => el.clientWidth).map(el => {
  const c = el.querySelector("canvas");
  if (!c) return {ID: el.id, Ink: 0, Width: 0, Room: el.clientWidth};
  const copy = document.createElement("canvas"); // reading one twice makes chrome warn
  copy.width = c.width;
  copy.height = c.height;
  const g = copy.getContext("2d", {willReadFrequently: true});
  g.drawImage(c, 0, 0);
  const d = g.getImageData(0, 0, c.width, c.height).data;
  let n = 0;
  for (let i = 0; i < d.length; i += 4) if (d[i+3] > 60 && Math.max(d[i], d[i+1], d[i+2]) - Math.min(d[i], d[i+1], d[i+2]) > 60) n++;
  return {ID: el.id, Ink: n, Width: c.clientWidth, Room: el.clientWidth};
})`

// Charts are those seen of what the CSS selector names.
func (b *Browser) Charts(selector string) []Chart {
	b.t.Helper()
	return Eval[[]Chart](b, fmt.Sprintf(drawn, selector))
}

// Drawn checks that each chart has curves and fills its room.
func (b *Browser) Drawn(where string, charts []Chart) {
	b.t.Helper()
	width := Eval[int](b, `innerWidth`)
	for _, c := range charts {
		if c.Ink < 100 || c.Width != c.Room || c.Width > width || c.Width < 200 {
			b.t.Errorf("%s: %s: %d coloured pixels, %d px wide in %d", where, c.ID, c.Ink, c.Width, c.Room)
		}
	}
}

// Tip is what a chart tells under a cursor in its middle; the page's script
// leaves the chart in jitnic.charts[name].
func (b *Browser) Tip(name, id string) string {
	b.t.Helper()
	b.Script(fmt.Sprintf(`(() => { const o = jitnic.charts[%q].over, r = o.getBoundingClientRect();
  const at = {clientX: r.left + r.width / 2, clientY: r.top + 50, bubbles: true};
  o.dispatchEvent(new MouseEvent("mouseenter", at)); o.dispatchEvent(new MouseEvent("mousemove", at)); })()`, name))
	return Eval[string](b, fmt.Sprintf(`(() => { const t = document.querySelector("#%s .tip"); return getComputedStyle(t).display === "none" ? "" : t.textContent; })()`, id))
}

// Shot leaves a picture of the whole page in the folder that JITNIC_SHOTS names,
// to look at.
func (b *Browser) Shot(name string) {
	b.t.Helper()
	dir := os.Getenv("JITNIC_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// Links checks that every link within the page leads somewhere.
func (b *Browser) Links() {
	b.t.Helper()
	if lost := Eval[[]string](b, `[...document.querySelectorAll("a[href^='#']")].map(a => a.getAttribute("href")).filter(h => !document.getElementById(h.slice(1)))`); len(lost) > 0 {
		b.t.Errorf("links to nothing: %q", lost)
	}
}

// Offline checks that the page has fetched nothing.
func (b *Browser) Offline() {
	b.t.Helper()
	if fetched := Eval[[]string](b, `performance.getEntriesByType("resource").map(e => e.name).filter(n => !n.startsWith("data:"))`); len(fetched) > 0 {
		b.t.Errorf("the page fetched %q", fetched)
	}
}

// Ran checks that the page's script ran to its end, where it makes window.jitnic.
func (b *Browser) Ran(where string) {
	b.t.Helper()
	if !Eval[bool](b, `!!window.jitnic`) {
		b.t.Errorf("%s: the script did not run to its end", where)
	}
}

// Quiet checks that no page has logged anything. It says something itself, which
// must be heard: a listener that hears nothing proves nothing.
func (b *Browser) Quiet() {
	b.t.Helper()
	b.Do("say", chromedp.Evaluate[chromedp.Void](`console.error("the end")`))
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		b.mu.Lock()
		n := len(b.console)
		b.mu.Unlock()
		if n > 0 {
			break
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.console) != 1 || !strings.Contains(b.console[0], "the end") {
		b.t.Errorf("the console has %q, want the last message alone", b.console)
	}
}
