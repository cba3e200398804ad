/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bootinst/efi_image_private.h"

#include <errno.h>
#include <stdlib.h>

#define SHOWN_MAX 100
#define SBAT_MAX  (8 * KIB) /* ten times what is met; each line of one text is compared with each of another */

/* The Linux/x86 boot protocol (Documentation/arch/x86/boot.rst); arm64: Documentation/arch/arm64/booting.rst. */
#define LINUX_MAGIC_OFF       0x202 /* "HdrS" */
#define LINUX_VERSION_OFF     0x20e /* u16, counts from 0x200 */
#define LINUX_VERSION_BASE    0x200
#define LINUX_ARM64_MAGIC_OFF 56 /* "ARM\x64" */

char *shown_text(const void *text, size_t len)
{
	AUTO_FREE char *plain = xstrndup(text, MIN(len, SHOWN_MAX));
	AUTO_BUF struct buf shown = { 0 };

	if (*plain)
		buf_add_escaped(&shown, plain);
	return TAKE(shown.s);
}

/* ---- SBAT */

bool efi_sbat_next(const char **at, struct efi_sbat *ret)
{
	const char *line = *at + strspn(*at, "\r\n"), *field[6] = { NULL };
	size_t line_len = strcspn(line, "\r\n"), len[6] = { 0 };
	unsigned long generation = 0;

	if (!*line)
		return false;
	*at = line + line_len;
	for (size_t i = 0; i < ARRAY_SIZE(field); i++) {
		field[i] = line;
		len[i] = strcspn(line, ",\r\n");
		line += len[i];
		if (*line == ',')
			line++;
	}
	if (len[1] && field[1][0] >= '0' && field[1][0] <= '9')
		generation = strtoul(field[1], NULL, 10);
	*ret = (struct efi_sbat){ field[0], field[4], len[0], len[4], (unsigned)MIN(generation, 0xffffUL) };
	return true;
}

/* "grub.debian" says more than "grub": the vendor's line follows the upstream's. */
static char *sbat_version(const char *sbat, const char *component)
{
	size_t len = strlen(component);
	struct efi_sbat row, best = { 0 };

	while (sbat && efi_sbat_next(&sbat, &row)) {
		bool is_vendors = row.component_len > len && row.component[len] == '.';

		if (row.component_len < len || memcmp(row.component, component, len) != 0 || !row.version_len)
			continue;
		if (!best.version_len || (is_vendors && best.component_len == len))
			best = row;
	}
	return best.version_len ? shown_text(best.version, best.version_len) : NULL;
}

/* ---- what it is */

/* What follows `mark` up to one of `stop`, or NULL. */
static char *text_after(struct bytes b, const char *mark, const char *stop)
{
	const char *at = b.p ? memmem(b.p, b.len, mark, strlen(mark)) : NULL;
	AUTO_FREE char *text = NULL;

	if (!at)
		return NULL;
	at += strlen(mark);
	text = xstrndup(at, MIN(SHOWN_MAX, (size_t)((const char *)b.p + b.len - at)));
	return shown_text(text, strcspn(text, stop));
}

/* UTF-16, as EFI programs have their messages; any alignment. */
static bool has_wide(struct bytes b, const char *ascii)
{
	u8 wide[128];
	size_t n = strlen(ascii);

	for (size_t i = 0; i < n; i++)
		put_le16(wide + 2 * i, (u16)(u8)ascii[i]);
	return memmem(b.p, b.len, wide, 2 * n) != NULL;
}

static char *linux_version(struct bytes file)
{
	struct bytes field = bytes_at(file, LINUX_VERSION_OFF, 2), text = { NULL, 0 };
	AUTO_FREE char *line = NULL;

	if (field.p && get_le16(field.p))
		text = bytes_at(file, LINUX_VERSION_BASE + get_le16(field.p), SHOWN_MAX);
	if (!text.p)
		return NULL;
	line = xstrndup((const char *)text.p, text.len);
	return shown_text(line, strcspn(line, " \n"));
}

static bool is_linux(struct bytes file)
{
	struct bytes x86 = bytes_at(file, LINUX_MAGIC_OFF, 4), arm64 = bytes_at(file, LINUX_ARM64_MAGIC_OFF, 4);

	return (x86.p && memcmp(x86.p, "HdrS", 4) == 0) || (arm64.p && memcmp(arm64.p, "ARM\x64", 4) == 0);
}

/* SBAT lines that begin `off` bytes behind the start of a section; NULL when there are none. */
static char *sbat_text(const struct pe *pe, const char *name, u64 off)
{
	struct bytes b = pe_section(pe, name);

	return off < b.len ? xstrndup((const char *)b.p + off, MIN(SBAT_MAX, b.len - off)) : NULL;
}

/* u32 format (0), and from there two u32 offsets: of what it revokes by itself, of what it would on demand. */
static char *sbat_level(const struct pe *pe)
{
	struct bytes head = bytes_at(pe_section(pe, ".sbatlevel"), 0, 8);

	return head.p && get_le32(head.p) == 0 ? sbat_text(pe, ".sbatlevel", 4 + (u64)get_le32(head.p + 4)) : NULL;
}

static void read_shim(const struct pe *pe, struct efi_image *img)
{
	img->kind = EFI_SHIM;
	img->version = text_after(pe_section(pe, ".data.ident"), "$Version: ", " $");
	if (!img->version)
		img->version = sbat_version(img->sbat, "shim");
	img->sbat_level = sbat_level(pe);
	efi_read_vendor_certs(pe_section(pe, ".vendor_cert"), img);
}

/* The words are of messages that these programs have had for ten years and more. */
static void read_kind_by_words(const struct pe *pe, struct efi_image *img)
{
	struct bytes file = pe->file;

	if ((img->version = text_after(file, "#### LoaderInfo: systemd-boot ", " "))) {
		img->kind = EFI_SYSTEMD_BOOT;
	} else if (has_wide(file, "Perform MOK management")) {
		img->kind = EFI_MOK_MANAGER;
		img->version = sbat_version(img->sbat, "shim");
	} else if (has_wide(file, "rEFInd Version %s")) {
		img->kind = EFI_REFIND;
		img->version = sbat_version(img->sbat, "refind");
	} else if ((img->version = text_after(file, "User-Agent: Syslinux/", "\r\n "))) {
		img->kind = EFI_SYSLINUX;
	}
}

static void read_kind(const struct pe *pe, struct efi_image *img)
{
	if (pe_section(pe, ".vendor_cert").p) {
		read_shim(pe, img);
	} else if (efi_read_grub(pe_section(pe, "mods"), pe->is_64, img)) {
		img->kind = EFI_GRUB;
		img->version = sbat_version(img->sbat, "grub");
	} else if (is_linux(pe->file)) {
		img->kind = EFI_LINUX;
		img->version = linux_version(pe->file);
	} else if (pe_section(pe, ".linux").p) {
		img->kind = EFI_LINUX;
	} else {
		read_kind_by_words(pe, img);
	}
}

int efi_image_read(const void *data, size_t len, struct efi_image *ret, struct err *e)
{
	static const struct {
		u16 number;
		enum efi_machine machine;
	} machines[] = { { 0x8664, EFI_X64 }, { 0x14c, EFI_IA32 }, { 0xaa64, EFI_AA64 } };
	struct efi_image img = { 0 };
	struct pe pe;

	if (!pe_open((struct bytes){ data, len }, &pe))
		return fail(e, -EINVAL, "is not an EFI program");
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
		if (machines[i].number == pe.machine)
			img.machine = machines[i].machine;
	img.sbat = sbat_text(&pe, ".sbat", 0);
	read_kind(&pe, &img);
	efi_read_signatures(&pe, &img);
	*ret = img;
	return 0;
}

static void key_list_free(struct efi_key_list *l)
{
	for (size_t i = 0; i < l->n_certs; i++) {
		free(l->cert[i].name);
		free(l->cert[i].der);
	}
	free(l->cert);
	free(l->digest);
}

void efi_image_free(struct efi_image *img)
{
	for (size_t i = 0; i < img->n_signatures; i++) {
		free(img->signature[i].signer);
		free(img->signature[i].issuer);
		free(img->signature[i].pkcs7);
	}
	free(img->signature);
	for (size_t i = 0; i < img->n_grub_modules; i++)
		free(img->grub_module[i]);
	free(img->grub_module);
	key_list_free(&img->vendor);
	key_list_free(&img->vendor_denied);
	free(img->version);
	free(img->sbat);
	free(img->sbat_level);
	free(img->grub_prefix);
	free(img->grub_config);
	*img = (struct efi_image){ 0 };
}
