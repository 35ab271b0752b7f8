// Package must ends a test where what it only prepares has failed.
//
//	obj := must.Get(loader.Open(path))(t)
//	must.OK(t, obj.Close())
//
// What a test is about it still says in words of its own.
package must

import "fmt"

// TB is what of testing.TB is needed, so that rapid's T will do too.
type TB interface {
	Helper()
	Fatal(args ...any)
}

// OK ends the test if there is an error.
func OK(t TB, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}

// Get hands out a call's result, or ends the test with the call's error.
func Get[T any](v T, err error) func(TB) T {
	return func(t TB) T {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
		return v
	}
}

// OKf is OK that says first what it was about.
func OKf(t TB, err error, format string, args ...any) {
	if err != nil {
		t.Helper()
		t.Fatal(fmt.Sprintf(format, args...)+":", err)
	}
}
