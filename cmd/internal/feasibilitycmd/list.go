package feasibilitycmd

import (
	"io"

	"jitnic/cmd/internal/report"
	"jitnic/nic/drivers"
	"jitnic/nic/profile"
)

// DeviceList is the JSON report of --nic list: the devices that there are models
// of, and what Linux' drivers offload.
type DeviceList struct {
	Profiles []Listed         `json:"profiles"`
	Kernel   string           `json:"kernel"` // of which the drivers are
	Drivers  []drivers.Driver `json:"drivers"`
}

// Listed is a profile.
type Listed struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Cited   int    `json:"cited"`
	Assumed int    `json:"assumed"`
}

// list is --nic list.
func (o *options) list(stdout io.Writer) error {
	l := &DeviceList{Kernel: drivers.Kernel, Drivers: drivers.All}
	for _, name := range profile.Names() {
		n, err := profile.Load(name)
		if err != nil {
			return err
		}
		x := Listed{Name: n.Name, Title: n.Title}
		for _, p := range n.Params() {
			switch {
			case p.Key == "name" || p.Key == "title":
			case p.Assumed:
				x.Assumed++
			default:
				x.Cited++
			}
		}
		l.Profiles = append(l.Profiles, x)
	}
	to := o.to
	to.Name = "devices.json"
	return to.Write(stdout, l.document())
}

func (l *DeviceList) document() *report.Document {
	d := &report.Document{Verb: "feasibility list", Title: "Devices and drivers", About: "what there are models of, and what Linux' drivers offload", Data: l, Wrap: textWidth}
	p := &report.Table{ID: "profiles", Title: "Models (--nic)", Open: true, Left: 2, Head: []string{"name", "device", "with a source", "assumed"}}
	for _, x := range l.Profiles {
		p.Add(x.Name, x.Title, report.Count(uint64(x.Cited)), report.Count(uint64(x.Assumed)))
	}
	t := &report.Table{ID: "drivers", Title: "Drivers of " + l.Kernel, Open: true, Left: 7,
		Head: []string{"driver", "devices", "xdpoffload", "XDP on the host", "since", "flows offloaded", "source below drivers/net"},
		Note: "xdpoffload: `ip link set dev X xdpoffload obj …` puts the program on the device. XDP on the host: in the driver (xdpdrv), or behind it (generic). Flows offloaded: tc flower, and switchdev where the device becomes a switch (Open vSwitch's hw-offload). since: by iovisor/bcc, docs/kernel-versions.md."}
	for i := range l.Drivers {
		x := &l.Drivers[i]
		offload, host, since, flows, where := "no", "driver", none, "no", x.XDP
		if x.Offload != "" {
			offload, where = "yes", x.Offload
		}
		if x.XDP == "" {
			host, where = "generic", x.Flower
		}
		if x.Since != "" {
			since = x.Since
		}
		switch {
		case x.Flower != "" && x.Switchdev != "":
			flows = "tc flower, switchdev"
		case x.Flower != "":
			flows = "tc flower"
		}
		t.Add(x.Name, x.Devices, offload, host, since, flows, where)
	}
	d.Add(report.Section{ID: "profiles", Title: "Models", Blocks: []report.Block{{Table: p}}})
	d.Add(report.Section{ID: "drivers", Title: "Drivers", Blocks: []report.Block{{Apart: true, Table: t}}})
	return d
}
