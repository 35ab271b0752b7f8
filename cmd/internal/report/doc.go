// Package report renders what the verbs found out: aligned text, JSON, CSV,
// HTML and plots. Files appear whole or not at all.
package report
