package vm

import "jitnic/host/maps"

// kernelStart is where addresses of the kernel begin on x86-64 with four levels
// of page tables; what is below is of user programs, or no address.
const kernelStart = 0xffff_8000_0000_0000

// kernelFault is what reading addr, where the program can't read, fails with:
// no address of the kernel is refused before it is tried
// (copy_from_kernel_nofault_allowed, arch/x86/mm/maccess.c).
func kernelFault(addr uint64) maps.Errno {
	if addr < kernelStart {
		return erange
	}
	return efault
}

// KernelFault is what bpf_probe_read_kernel answers where the program can't read at
// addr.
func KernelFault(addr uint64) uint64 { return negErrno(kernelFault(addr)) }

// probeRead is bpf_probe_read_kernel(dst, size, src), and bpf_probe_read: of
// memory that the program can't reach anyhow it reads zeros and says why.
func probeRead(s *State, r *[11]uint64) *Fault {
	size := uint64(uint32(r[2]))
	dst, f := s.bytes(r[1], size, true)
	if f != nil {
		return f
	}
	src, f := s.bytes(r[3], size, false)
	if f != nil {
		clear(dst)
		r[0] = negErrno(kernelFault(r[3]))
		return nil
	}
	copy(dst, src)
	r[0] = 0
	return nil
}

// probeReadStr is bpf_probe_read_kernel_str(dst, size, src): the bytes of a
// string with its final zero, which the kernel puts into the last byte of a
// destination that is too small (strncpy_from_kernel_nofault, mm/maccess.c).
func probeReadStr(s *State, r *[11]uint64) *Fault {
	size := uint64(uint32(r[2]))
	dst, f := s.bytes(r[1], size, true)
	if f != nil || size == 0 {
		r[0] = 0
		return f
	}
	for i := range size {
		if !s.Reach(r[3]+i, 1, false) {
			clear(dst)
			r[0] = negErrno(kernelFault(r[3] + i))
			return nil
		}
		c := s.Mem.B[r[3]+i]
		if i == size-1 {
			c = 0
		}
		dst[i] = c
		if c == 0 {
			r[0] = i + 1
			return nil
		}
	}
	return nil
}

// probeReadUser is bpf_probe_read_user(dst, size, src), and its twin for
// strings: packets are handled without a process whose memory there would be.
func probeReadUser(s *State, r *[11]uint64) *Fault {
	dst, f := s.bytes(r[1], uint64(uint32(r[2])), true)
	if f != nil {
		return f
	}
	r[0] = 0
	if len(dst) > 0 {
		clear(dst)
		r[0] = negErrno(efault)
	}
	return nil
}
