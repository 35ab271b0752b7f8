// Package maps holds every map type behind one interface.
package maps
