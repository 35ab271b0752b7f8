package drivers

// Kernel is the release that the lines are of; they are below drivers/net of its
// source.
const Kernel = "Linux 6.1"

// A Driver is one of the kernel's.
type Driver struct {
	Name    string `json:"name"`    // as `ethtool -i` has it
	Devices string `json:"devices"` // what it drives
	// XDP is where XDP runs in the driver, on the host's cores; "": only behind it,
	// in the stack (generic XDP). Since is the first release with it, by iovisor/bcc
	// docs/kernel-versions.md; "": not told there.
	XDP   string `json:"xdp,omitempty"`
	Since string `json:"since,omitempty"`
	// Offload is where whole XDP programs go to the device; "": they don't.
	Offload string `json:"offload,omitempty"`
	// Flower is where it takes flows of tc flower, Switchdev where the device
	// becomes a switch whose ports they go between; "": it doesn't.
	Flower    string `json:"flower,omitempty"`
	Switchdev string `json:"switchdev,omitempty"`
}

// All lists them, those that offload XDP first.
var All = []Driver{
	{Name: "nfp", Devices: "Netronome Agilio NFP-4000, NFP-6000", XDP: "ethernet/netronome/nfp/nfp_net_common.c:1892", Since: "4.10", Offload: "ethernet/netronome/nfp/nfp_net_common.c:1894", Flower: "ethernet/netronome/nfp/flower/offload.c:1764", Switchdev: "ethernet/netronome/nfp/nfp_devlink.c:323"},
	{Name: "netdevsim", Devices: "simulated, for tests of the kernel", XDP: "netdevsim/bpf.c:565", Offload: "netdevsim/bpf.c:571", Switchdev: "netdevsim/dev.c:1331"},
	{Name: "ixgbe", Devices: "Intel 82599, X520, X540, X550", XDP: "ethernet/intel/ixgbe/ixgbe_main.c:10338", Since: "4.12"},
	{Name: "ixgbevf", Devices: "their virtual functions", XDP: "ethernet/intel/ixgbevf/ixgbevf_main.c:4513", Since: "4.17"},
	{Name: "i40e", Devices: "Intel X710, XL710, XXV710", XDP: "ethernet/intel/i40e/i40e_main.c:13667", Since: "4.13", Flower: "ethernet/intel/i40e/i40e_main.c:8971"},
	{Name: "ice", Devices: "Intel E810", XDP: "ethernet/intel/ice/ice_main.c:3025", Flower: "ethernet/intel/ice/ice_main.c:7890", Switchdev: "ethernet/intel/ice/ice_devlink.c:725"},
	{Name: "igb", Devices: "Intel I210, I350", XDP: "ethernet/intel/igb/igb_main.c:2916", Flower: "ethernet/intel/igb/igb_main.c:2812"},
	{Name: "igc", Devices: "Intel I225, I226", XDP: "ethernet/intel/igc/igc_main.c:6319"},
	{Name: "mlx4", Devices: "Mellanox ConnectX-3", XDP: "ethernet/mellanox/mlx4/en_netdev.c:2830", Since: "4.8"},
	{Name: "mlx5", Devices: "Mellanox/NVIDIA ConnectX-4 to -7, BlueField", XDP: "ethernet/mellanox/mlx5/core/en_main.c:4786", Since: "4.9", Flower: "ethernet/mellanox/mlx5/core/en/rep/tc.c:178", Switchdev: "ethernet/mellanox/mlx5/core/devlink.c:304"},
	{Name: "bnxt_en", Devices: "Broadcom NetXtreme-C/E", XDP: "ethernet/broadcom/bnxt/bnxt_xdp.c:446", Since: "4.11", Flower: "ethernet/broadcom/bnxt/bnxt_tc.c:1875", Switchdev: "ethernet/broadcom/bnxt/bnxt_devlink.c:667"},
	{Name: "ena", Devices: "Amazon Elastic Network Adapter", XDP: "ethernet/amazon/ena/ena_netdev.c:638"},
	{Name: "mana", Devices: "Microsoft Azure Network Adapter", XDP: "ethernet/microsoft/mana/mana_bpf.c:218"},
	{Name: "hv_netvsc", Devices: "Microsoft Hyper-V", XDP: "hyperv/netvsc_bpf.c:207"},
	{Name: "virtio_net", Devices: "virtio", XDP: "virtio_net.c:3300", Since: "4.10"},
	{Name: "xen-netfront", Devices: "Xen", XDP: "xen-netfront.c:1687"},
	{Name: "veth", Devices: "pairs of virtual devices", XDP: "veth.c:1570", Since: "4.14"},
	{Name: "tun", Devices: "tun and tap", XDP: "tun.c:1234", Since: "4.14"},
	{Name: "qede", Devices: "QLogic FastLinQ 4xxxx", XDP: "ethernet/qlogic/qede/qede_filter.c:1047", Since: "4.10", Flower: "ethernet/qlogic/qede/qede_main.c:679"},
	{Name: "sfc", Devices: "Solarflare, Xilinx X2, Alveo", XDP: "ethernet/sfc/efx.c:648", Flower: "ethernet/sfc/tc_bindings.c:41"},
	{Name: "atlantic", Devices: "Aquantia AQtion", XDP: "ethernet/aquantia/atlantic/aq_main.c:486"},
	{Name: "nicvf", Devices: "Cavium ThunderX", XDP: "ethernet/cavium/thunder/nicvf_main.c:1901", Since: "4.12"},
	{Name: "rvu_nicpf", Devices: "Marvell OcteonTX2", XDP: "ethernet/marvell/octeontx2/nic/otx2_pf.c:2665", Flower: "ethernet/marvell/octeontx2/nic/otx2_tc.c:1232", Switchdev: "ethernet/marvell/octeontx2/af/rvu_devlink.c:1358"},
	{Name: "mvneta", Devices: "Marvell Armada 370, XP, 3700", XDP: "ethernet/marvell/mvneta.c:4576"},
	{Name: "mvpp2", Devices: "Marvell Armada 375, 7K, 8K", XDP: "ethernet/marvell/mvpp2/mvpp2_main.c:5399"},
	{Name: "funeth", Devices: "Fungible F1", XDP: "ethernet/fungible/funeth/funeth_main.c:1174"},
	{Name: "fsl_dpaa", Devices: "NXP DPAA", XDP: "ethernet/freescale/dpaa/dpaa_eth.c:3092"},
	{Name: "fsl-dpaa2-eth", Devices: "NXP DPAA2", XDP: "ethernet/freescale/dpaa2/dpaa2-eth.c:2655", Since: "5.0"},
	{Name: "fsl-enetc", Devices: "NXP ENETC", XDP: "ethernet/freescale/enetc/enetc.c:2605", Flower: "ethernet/freescale/enetc/enetc_qos.c:1515"},
	{Name: "stmmac", Devices: "Synopsys DesignWare", XDP: "ethernet/stmicro/stmmac/stmmac_main.c:6523", Flower: "ethernet/stmicro/stmmac/stmmac_main.c:6089"},
	{Name: "mtk_eth_soc", Devices: "MediaTek", XDP: "ethernet/mediatek/mtk_eth_soc.c:3143"},
	{Name: "cpsw", Devices: "TI CPSW", XDP: "ethernet/ti/cpsw_priv.c:1282", Since: "5.3", Flower: "ethernet/ti/cpsw_priv.c:1549"},
	{Name: "netsec", Devices: "Socionext NetSec", XDP: "ethernet/socionext/netsec.c:1822", Since: "5.3"},
	{Name: "cxgb4", Devices: "Chelsio T4 to T6", Flower: "ethernet/chelsio/cxgb4/cxgb4_main.c:3658"},
}

// Lookup finds a driver by its name.
func Lookup(name string) *Driver {
	for i := range All {
		if All[i].Name == name {
			return &All[i]
		}
	}
	return nil
}
