package profile

import "fmt"

// Format prints the profile as a file. Parsing it gives the same profile, and
// formatting that the same bytes.
func (n *NIC) Format() string { return n.record().format() }

// Params lists all parameters with their sources, in the order of the file.
func (n *NIC) Params() []Param { return n.record().params() }

// Clone is a copy that shares nothing.
func (n *NIC) Clone() *NIC {
	c := n.record().copyOf()
	out := c.v.Addr().Interface().(*NIC)
	out.From = c.from
	return out
}

// Put gives a parameter a value and says where it is from. The value is a
// number with or without its unit, a name, yes or no, or a list of names
// separated by commas. n stays as it was on an error.
func (n *NIC) Put(key, value string, from Origin) error {
	c := n.Clone()
	if err := c.record().set(key, value, from); err != nil {
		return err
	}
	if err := c.consistent(); err != nil {
		return fmt.Errorf("%s = %s: %w", key, clip(value), err)
	}
	*n = *c
	return nil
}

// Set gives a parameter a value, as the user's own.
func (n *NIC) Set(key, value string) error {
	return n.Put(key, value, Origin{Source: SetByUser, User: true})
}

// With is a copy with one parameter set as [NIC.Set] does.
func (n *NIC) With(key, value string) (*NIC, error) {
	c := n.Clone()
	if err := c.Set(key, value); err != nil {
		return nil, err
	}
	return c, nil
}

// Sweep lists values to try for an assumed parameter (or one with a published
// spread), as texts for [NIC.With]: its value, both ends of its range, and
// steps in all where the range has so many.
func (n *NIC) Sweep(key string, steps int) ([]string, error) { return n.record().sweep(key, steps) }

// check names the place of what doesn't fit together.
func (n *NIC) check() error {
	err := n.consistent()
	if c, ok := err.(*conflict); ok {
		if w := n.From[c.key].Where; w != "" {
			return fmt.Errorf("%s: %w", w, err)
		}
	}
	return err
}

// conflict is a parameter that contradicts another.
type conflict struct{ key, text string }

func (c *conflict) Error() string { return c.key + ": " + c.text }

// consistent checks parameters against each other.
func (n *NIC) consistent() error {
	switch {
	case n.PCIeWriteRead < n.PCIeRead:
		return &conflict{"pcie.writeread", fmt.Sprintf("%d ns, less than the read alone (pcie.read, %d ns)", n.PCIeWriteRead, n.PCIeRead)}
	case n.TraceSlots > n.Slots && n.Slots > 0:
		return &conflict{"limit.trace", fmt.Sprintf("%d slots, more than the store has (limit.slots, %d)", n.TraceSlots, n.Slots)}
	}
	return nil
}
