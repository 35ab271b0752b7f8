// Package comparecmd is the verb `jitnic compare`: the cache laboratory on the
// command line. A program runs once over its captures (or a file of requests
// stands in for both); every policy × admission × size then runs over the
// stream of path numbers that came out; and what was found is told as tables, as
// JSON and CSV, and as a folder with one page that opens offline and the plots.
package comparecmd
