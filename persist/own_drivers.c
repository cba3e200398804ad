/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/own_drivers.h"

/* Longer chains of dependencies than this are no kernel's. */
#define DEPTH_MAX 32

const struct own_driver own_drivers[] = {
	{ "xhci_pci", "CONFIG_USB_XHCI_PCI", OWN_USB_HOST, NULL },
	{ "xhci_hcd", "CONFIG_USB_XHCI_HCD", OWN_USB_HOST, NULL },
	{ "ehci_pci", "CONFIG_USB_EHCI_PCI", OWN_USB_HOST, NULL },
	{ "ehci_hcd", "CONFIG_USB_EHCI_HCD", OWN_USB_HOST, NULL },
	{ "ohci_pci", "CONFIG_USB_OHCI_HCD_PCI", OWN_USB_HOST, NULL },
	{ "ohci_hcd", "CONFIG_USB_OHCI_HCD", OWN_USB_HOST, NULL },
	{ "uhci_hcd", "CONFIG_USB_UHCI_HCD", OWN_USB_HOST, NULL },
	{ "usb_storage", "CONFIG_USB_STORAGE", OWN_NEEDED, NULL },
	{ "uas", "CONFIG_USB_UAS", OWN_EXTRA, NULL },
	{ "sd_mod", "CONFIG_BLK_DEV_SD", OWN_NEEDED, NULL },
	{ "sr_mod", "CONFIG_BLK_DEV_SR", OWN_EXTRA, NULL },
	{ "ahci", "CONFIG_SATA_AHCI", OWN_EXTRA, NULL },
	{ "ata_piix", "CONFIG_ATA_PIIX", OWN_EXTRA, NULL },
	{ "vmd", "CONFIG_VMD", OWN_EXTRA, NULL },
	{ "nvme", "CONFIG_BLK_DEV_NVME", OWN_EXTRA, NULL },
	{ "virtio_pci", "CONFIG_VIRTIO_PCI", OWN_EXTRA, NULL },
	{ "virtio_blk", "CONFIG_VIRTIO_BLK", OWN_EXTRA, NULL },
	{ "virtio_scsi", "CONFIG_SCSI_VIRTIO", OWN_EXTRA, NULL },
	{ "sdhci_pci", "CONFIG_MMC_SDHCI_PCI", OWN_EXTRA, NULL },
	{ "rtsx_pci_sdmmc", "CONFIG_MMC_REALTEK_PCI", OWN_EXTRA, NULL },
	{ "mmc_block", "CONFIG_MMC_BLOCK", OWN_EXTRA, NULL },
	{ "i8042", "CONFIG_SERIO_I8042", OWN_EXTRA, NULL },
	{ "atkbd", "CONFIG_KEYBOARD_ATKBD", OWN_EXTRA, NULL },
	{ "hid_generic", "CONFIG_HID_GENERIC", OWN_EXTRA, NULL },
	{ "usbhid", "CONFIG_USB_HID", OWN_EXTRA, NULL },
	{ "nls_cp437", "CONFIG_NLS_CODEPAGE_437", OWN_EXTRA, NULL }, /* see own_modules.c for the one that is needed */
	{ "nls_iso8859_1", "CONFIG_NLS_ISO8859_1", OWN_FAT_NAMES, NULL },
	{ "nls_utf8", "CONFIG_NLS_UTF8", OWN_FAT_NAMES, NULL },
	{ "nls_ascii", "CONFIG_NLS_ASCII", OWN_FAT_NAMES, NULL },
	{ "vfat", "CONFIG_VFAT_FS", OWN_FAT, NULL },
	/* ext4 asks the kernel for crc32c when it mounts, and the kernel would ask for a program that is not there. */
	{ "crc32c_intel", "CONFIG_CRYPTO_CRC32C_INTEL", OWN_CHECKSUM, NULL },
	{ "crc32c_generic", "CONFIG_CRYPTO_CRC32C", OWN_CHECKSUM, NULL },
	{ "crc32c", "CONFIG_CRYPTO_CRC32C", OWN_CHECKSUM, NULL },
	{ "ext4", "CONFIG_EXT4_FS", OWN_NEEDED, NULL },
	{ "loop", "CONFIG_BLK_DEV_LOOP", OWN_NEEDED, NULL },
	{ "squashfs", "CONFIG_SQUASHFS", OWN_IMAGE, "squashfs" },
	{ "erofs", "CONFIG_EROFS_FS", OWN_IMAGE, "erofs" },
	{ "cramfs", "CONFIG_CRAMFS", OWN_IMAGE, "cramfs" },
	{ "isofs", "CONFIG_ISO9660_FS", OWN_IMAGE, "iso9660" },
	{ "overlay", "CONFIG_OVERLAY_FS", OWN_OVERLAY_DRIVER, NULL },
	{ "aufs", "CONFIG_AUFS_FS", OWN_AUFS_DRIVER, NULL },
	{ "dm_mod", "CONFIG_BLK_DEV_DM", OWN_SNAPSHOT_DRIVER, NULL },
	{ "dm_snapshot", "CONFIG_DM_SNAPSHOT", OWN_SNAPSHOT_DRIVER, NULL },
};
const size_t n_own_drivers = ARRAY_SIZE(own_drivers);

struct complete {
	struct shelves *s;
	unsigned depth;
	bool is;
};

static int check_dependency(void *ctx, const char *name, struct err *e);

/* Whether the module has all that it depends on. Each is looked at once: lists name what others need already. */
static int check_module(struct shelves *s, struct shelf_module *m, unsigned depth, bool *ret, struct err *e)
{
	struct complete c = { s, depth, depth < DEPTH_MAX };
	int r = 0;

	if (!(m->state & OWN_CHECKED)) {
		m->state |= OWN_CHECKED | OWN_COMPLETE;
		if (c.is)
			r = shelves_each_related(s, m, SHELF_DEPENDENCIES, check_dependency, &c, e);
		if (!c.is)
			m->state &= ~OWN_COMPLETE;
	}
	*ret = m->state & OWN_COMPLETE;
	return r;
}

static int check_dependency(void *ctx, const char *name, struct err *e)
{
	struct complete *c = ctx;
	struct shelf_module *m = shelves_find(c->s, name);
	bool is = false;
	int r = m ? check_module(c->s, m, c->depth + 1, &is, e) : 0;

	c->is = c->is && (m ? is : shelves_is_built_in(c->s, name));
	return r;
}

int own_driver_have(const struct kernel *k, struct shelves *s, const char *module, const char *option,
                    enum own_have *ret, struct err *e)
{
	struct shelf_module *m = kernel_option(k, "CONFIG_MODULES") == KERNEL_NO ? NULL : shelves_find(s, module);
	bool is_complete = false;
	int r = m ? check_module(s, m, 0, &is_complete, e) : 0;

	if (r < 0)
		return r;
	if (m)
		*ret = is_complete ? OWN_HAS_MODULE : OWN_HAS_NOT;
	else if (shelves_is_built_in(s, module))
		*ret = OWN_HAS_BUILT_IN;
	else if (option && kernel_option(k, option) == KERNEL_BUILT_IN)
		*ret = OWN_HAS_BUILT_IN;
	else if (shelves_know_built_in(s) || k->config)
		*ret = OWN_HAS_NOT;
	else
		*ret = OWN_HAS_PERHAPS;
	return 0;
}

/* fs/squashfs/Kconfig; and a function of the kernel that squashfs then calls, whose name is in the module. */
static const struct {
	const char *compressor, *option;
	unsigned major, minor; /* the kernel that had it first */
	const char *function[2];
	unsigned option_major, option_minor; /* the kernel that had the option first, if that was later */
} unpackers[] = {
	{ "gzip", "CONFIG_SQUASHFS_ZLIB", 2, 6, { "zlib_inflate" }, 3, 13 },
	{ "lzo", "CONFIG_SQUASHFS_LZO", 2, 6, { "lzo1x_decompress_safe" }, 2, 6 },
	{ "xz", "CONFIG_SQUASHFS_XZ", 2, 6, { "xz_dec_run" }, 2, 6 },
	{ "lz4", "CONFIG_SQUASHFS_LZ4", 3, 19, { "LZ4_decompress_safe", "lz4_decompress" }, 3, 19 },
	{ "zstd", "CONFIG_SQUASHFS_ZSTD", 4, 14, { "zstd_init_dstream", "ZSTD_initDStream" }, 4, 14 },
};

enum own_have own_driver_unpacks(const struct kernel *k, const struct buf *module, const char *compressor)
{
	for (size_t i = 0; i < ARRAY_SIZE(unpackers); i++) {
		if (strcmp(unpackers[i].compressor, compressor) != 0)
			continue;
		for (size_t f = 0; module && f < 2 && unpackers[i].function[f]; f++)
			if (memmem(module->s, module->len, unpackers[i].function[f], strlen(unpackers[i].function[f])))
				return OWN_HAS_MODULE;
		if (module)
			return OWN_HAS_NOT;
		if (k->version && !kernel_is_at_least(k, unpackers[i].major, unpackers[i].minor))
			return OWN_HAS_NOT;
		if (k->version && !kernel_is_at_least(k, unpackers[i].option_major, unpackers[i].option_minor))
			return OWN_HAS_BUILT_IN;
		return !k->config                                                 ? OWN_HAS_PERHAPS
		       : kernel_option(k, unpackers[i].option) == KERNEL_BUILT_IN ? OWN_HAS_BUILT_IN
		                                                                  : OWN_HAS_NOT;
	}
	return OWN_HAS_NOT; /* lzma: no kernel has it */
}
