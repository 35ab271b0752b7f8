// Package conformancecmd is the verb "jitnic conformance": a plugin for the
// public bpf_conformance runner (github.com/Alan-Jowett/bpf_conformance).
//
// The runner starts the plugin once for each test, with the program's bytes in
// hexadecimal on standard input and the memory's, if any, as one argument; it
// reads register 0 in hexadecimal from standard output:
//
//	bpf_conformance_runner --test_file_directory tests --cpu_version v4 \
//	    --plugin_path ./jitnic-plugin
//
// where jitnic-plugin is a script of one line, because the runner passes a
// verb only after the memory: exec jitnic conformance "$@".
package conformancecmd
