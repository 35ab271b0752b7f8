// Package report renders what the verbs found out. A verb makes one [Document] of
// facts, tables, charts, bars, trees, checks and notes; text, page (HTML), CSV and
// JSON are its renderings, so they can't tell different numbers:
//
//	JSON   Document.Data, as the verb's types have it
//	CSV    Document.Records: columns named by keys of that JSON
//	text   the blocks that a terminal has room for
//	page   all of the blocks, charts and trees too, in one file that opens offline
//	plots  charts, bars and heat maps as SVG and PNG
//
// Outputs puts them where flags want them. Files appear whole or not at all.
package report
