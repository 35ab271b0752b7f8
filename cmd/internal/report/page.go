package report

import (
	"embed"
	"encoding/json"
	"html/template"
	"io"
	"io/fs"
)

// uPlot 1.6.32 (MIT, assets/uPlot.LICENSE), https://github.com/leeoniya/uPlot,
// from the npm package of that name: charts without a network.
//
//go:embed assets
var assets embed.FS

// A Page is one HTML file with all it needs inside: it opens offline.
type Page struct {
	Title string
	CSS   string        // after the chart library's
	Body  template.HTML // what is seen
	Data  any           // as JSON in the element with id "data"
	JS    string        // runs last; uPlot is there
}

// VerbPage is a verb's page: its assets/page.css behind what all pages have in
// common (type, sections, facts, tables, tips and keys of charts, and how they fold
// on a phone), and its assets/page.js.
func VerbPage(title string, own fs.FS, body []byte, data any) (*Page, error) {
	css, err := fs.ReadFile(own, "assets/page.css")
	if err != nil {
		return nil, err
	}
	js, err := fs.ReadFile(own, "assets/page.js")
	if err != nil {
		return nil, err
	}
	return &Page{Title: title, CSS: pageCSS + string(css), Body: template.HTML(body), Data: data, JS: string(js)}, nil
}

//go:embed assets/page.css
var pageCSS string

var pageTemplate = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{{.Title}}</title>
<style>
{{.CSS}}
</style>
</head>
<body>
{{.Body}}
<script type="application/json" id="data">{{.Data}}</script>
<script>
{{.Lib}}
</script>
<script>
{{.JS}}
</script>
</body>
</html>
`))

// Write writes the page.
func (p *Page) Write(w io.Writer) error {
	data, err := json.Marshal(p.Data) // escapes <, > and &, so it can't end the element
	if err != nil {
		return err
	}
	asset := func(name string) string {
		b, e := assets.ReadFile("assets/" + name)
		if e != nil {
			err = e
		}
		return string(b)
	}
	v := struct {
		Title         string
		CSS           template.CSS
		Body          template.HTML
		Data, Lib, JS template.JS
	}{
		p.Title, template.CSS(asset("uPlot.min.css") + p.CSS), p.Body,
		template.JS(data), template.JS("/* uPlot\n" + asset("uPlot.LICENSE") + "*/\n" + asset("uPlot.iife.min.js")), template.JS(p.JS),
	}
	if err != nil {
		return err
	}
	return pageTemplate.Execute(w, v)
}
