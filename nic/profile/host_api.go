package profile

// Format prints the profile as a file. Parsing it gives the same profile, and
// formatting that the same bytes.
func (h *Host) Format() string { return h.record().format() }

// Params lists all parameters with their sources, in the order of the file.
func (h *Host) Params() []Param { return h.record().params() }

// Clone is a copy that shares nothing.
func (h *Host) Clone() *Host {
	c := h.record().copyOf()
	out := c.v.Addr().Interface().(*Host)
	out.From = c.from
	return out
}

// Put gives a parameter a value and says where it is from, as [NIC.Put]. Times
// without a unit are in ns; see [Picoseconds].
func (h *Host) Put(key, value string, from Origin) error {
	c := h.Clone()
	if err := c.record().set(key, value, from); err != nil {
		return err
	}
	*h = *c
	return nil
}

// Set gives a parameter a value, as the user's own.
func (h *Host) Set(key, value string) error {
	return h.Put(key, value, Origin{Source: SetByUser, User: true})
}

// With is a copy with one parameter set as [Host.Set] does.
func (h *Host) With(key, value string) (*Host, error) {
	c := h.Clone()
	if err := c.Set(key, value); err != nil {
		return nil, err
	}
	return c, nil
}

// Sweep lists values to try for a parameter, as [NIC.Sweep].
func (h *Host) Sweep(key string, steps int) ([]string, error) { return h.record().sweep(key, steps) }
