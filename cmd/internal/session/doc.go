// Package session is what the verbs that run a program over captures share: the
// flags that fill the settings of host/run/replay, the line that counts packets, and the
// check of the files they will write.
package session
