/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bootinst/secure_boot.h"

/*
 * What PCs revoke beyond what the shim on the stick does (SbatLevel_Variable.txt of shim, up to 2025051000). Windows
 * set level 2024010900 on PCs in August 2024; shim 16 sets 2025021800 and stays in effect for older shims.
 */
static const struct {
	const char *level, *who;
	enum secure_boot_verdict verdict; /* when it hits */
} known_levels[] = {
	{ "shim,4\ngrub,3\ngrub.debian,4\n", "that had a Windows update since August 2024", SECURE_BOOT_UNKNOWN },
	{ "grub,5\ngrub.peimage,2\ngrub.proxmox,2\n", "that once started a Linux of 2025 or later", SECURE_BOOT_YES },
};

/* ---- words */

static const char *machine_word(const struct efi_image *img)
{
	static const char *const words[] = { [EFI_X64] = "x64", [EFI_IA32] = "ia32", [EFI_AA64] = "aa64" };

	return words[img->machine] ? words[img->machine] : "";
}

static void add_first_path(const struct efi_image *img, struct buf *out)
{
	static const char *const words[] = { [EFI_X64] = "X64", [EFI_IA32] = "IA32", [EFI_AA64] = "AA64" };

	buf_addf(out, "EFI/BOOT/BOOT%s.EFI", words[img->machine] ? words[img->machine] : "");
}

static const char *kind_word(const struct efi_image *img)
{
	static const char *const words[] = {
		[EFI_SHIM] = "shim",         [EFI_MOK_MANAGER] = "MokManager",
		[EFI_GRUB] = "GRUB",         [EFI_SYSTEMD_BOOT] = "systemd-boot",
		[EFI_SYSLINUX] = "SYSLINUX", [EFI_REFIND] = "rEFInd",
		[EFI_LINUX] = "the kernel",
	};

	return words[img->kind] ? words[img->kind] : "the loader";
}

static void add_kind(const struct efi_image *img, struct buf *out)
{
	buf_adds(out, kind_word(img));
	if (img->version)
		buf_addf(out, " %s", img->version);
}

/* ---- who trusts what */

enum trust_how { TRUST_NONE, TRUST_FIRMWARE, TRUST_SHIM_KEY, TRUST_SHIM_DIGEST, TRUST_SEVERAL };

struct trust {
	enum trust_how how;
	const char *by; /* name of the certificate; NULL when it is none, or several */
};

/* `shim` is NULL where firmware alone decides. */
static struct trust trust_in(const struct efi_image *img, const struct efi_image *shim)
{
	const char *cert;

	if (shim && efi_image_is_listed(img, &shim->vendor, &cert))
		return (struct trust){ cert ? TRUST_SHIM_KEY : TRUST_SHIM_DIGEST, cert };
	for (size_t i = 0; i < img->n_signatures; i++)
		if (img->signature[i].microsoft_ca)
			return (struct trust){ TRUST_FIRMWARE, img->signature[i].microsoft_ca };
	return (struct trust){ TRUST_NONE, NULL };
}

static bool same_trust(struct trust a, struct trust b)
{
	return a.how == b.how && (a.by == b.by || (a.by && b.by && strcmp(a.by, b.by) == 0));
}

static bool is_below(const struct efi_sbat *row, const struct efi_sbat *level)
{
	return row->component_len == level->component_len &&
	       memcmp(row->component, level->component, row->component_len) == 0 && row->generation < level->generation;
}

/* The first component of the image that `level` revokes; `ret` is the image's line, `ret_wanted` the level's. */
static bool is_revoked(const struct efi_image *img, const char *level, struct efi_sbat *ret,
                       struct efi_sbat *ret_wanted)
{
	const char *rows = img->sbat;

	while (rows && level && efi_sbat_next(&rows, ret)) {
		const char *levels = level;

		while (efi_sbat_next(&levels, ret_wanted))
			if (is_below(ret, ret_wanted))
				return true;
	}
	return false;
}

static void add_generations(const struct efi_sbat *has, const struct efi_sbat *wanted, struct buf *out)
{
	AUTO_FREE char *component = xstrndup(has->component, MIN(has->component_len, 32));

	buf_adds(out, "(SBAT ");
	buf_add_escaped(out, component);
	buf_addf(out, ",%u, where %u is demanded)", has->generation, wanted->generation);
}

/* ---- why not: each adds what speaks against the image after its name, or nothing */

static const struct efi_signature *intact_signature(const struct efi_image *img)
{
	for (size_t i = 0; i < img->n_signatures; i++)
		if (img->signature[i].intact)
			return &img->signature[i];
	return NULL;
}

static void add_shim_trusts(const struct efi_image *shim, struct buf *out)
{
	buf_addf(out, " (it trusts %s", shim->vendor.n_certs ? "" : "no key of its own");
	for (size_t i = 0; i < shim->vendor.n_certs; i++)
		buf_addf(out, "%s%s", i ? ", " : "", shim->vendor.cert[i].name);
	buf_adds(out, "); somebody at the PC can enrol that key with MokManager");
}

static void add_no_trust(const struct efi_image *img, const struct efi_image *shim, struct buf *out)
{
	const struct efi_signature *s = intact_signature(img);

	if (!img->n_signatures) {
		buf_adds(out, " is not signed");
	} else if (!s) {
		buf_adds(out, " was changed after it was signed, or its signature is damaged");
	} else if (shim) {
		buf_addf(out, " is signed by %s (%s), which shim does not trust", s->issuer, s->signer);
		add_shim_trusts(shim, out);
	} else {
		buf_addf(out, " is signed by %s (%s), which PCs do not trust unless somebody enrols its key", s->issuer,
		         s->signer);
	}
}

/* False when shim refuses `img` although it is signed. `loaded_by_shim`: not through GRUB. */
static bool shim_accepts(const struct efi_image *img, const struct efi_image *shim, bool loaded_by_shim,
                         struct buf *why)
{
	struct efi_sbat has, wanted;
	const char *by;

	if (efi_image_is_listed(img, &shim->vendor_denied, &by)) {
		buf_adds(why, " is on the list of what this shim revokes");
		return false;
	}
	/* Shims before 15.3 have no SBAT themselves and ask nobody for it. */
	if (loaded_by_shim && shim->sbat && !img->sbat) {
		buf_adds(why, " has no SBAT lines, without which shim starts nothing");
		return false;
	}
	if (is_revoked(img, shim->sbat_level, &has, &wanted)) {
		buf_adds(why, " is too old for this shim ");
		add_generations(&has, &wanted, why);
		return false;
	}
	return true;
}

/* TRUST_NONE with a reason when `img` will not be started. */
static struct trust judge_image(const struct efi_image *img, const struct efi_image *shim, bool loaded_by_shim,
                                struct buf *reason)
{
	struct trust trust = trust_in(img, shim);

	if (trust.how == TRUST_NONE)
		add_no_trust(img, shim, reason);
	else if (shim && !shim_accepts(img, shim, loaded_by_shim, reason))
		trust.how = TRUST_NONE;
	return trust;
}

/* ---- the whole chain */

struct judgement {
	struct trust second, kernels;
	size_t n_good;
	struct buf bad_kernel; /* the first of those that do not start, and why */
};

static void judgement_free(struct judgement *j)
{
	buf_free(&j->bad_kernel);
}

/* A signature that only says to be Microsoft's does not bring the certificate to check that. */
static enum secure_boot_verdict judge_untrusted_first(const struct efi_image *first, struct buf *why)
{
	const struct efi_signature *s = intact_signature(first);

	add_first_path(first, why);
	if (!s || strncmp(s->issuer, "Microsoft ", 10) != 0) {
		add_no_trust(first, NULL, why);
		return SECURE_BOOT_NO;
	}
	buf_addf(why, " says that it is signed by %s, which could not be checked", s->issuer);
	return SECURE_BOOT_UNKNOWN;
}

static bool judge_second(const struct secure_boot_chain *c, struct judgement *j, struct buf *why)
{
	AUTO_BUF struct buf reason = { 0 };

	buf_adds(&reason, ", which shim starts, is missing");
	if (c->second) {
		buf_clear(&reason);
		j->second = judge_image(c->second, c->first, true, &reason);
	}
	if (j->second.how != TRUST_NONE)
		return true;
	buf_addf(why, "EFI/BOOT/grub%s.efi", machine_word(c->first));
	if (c->second) {
		buf_adds(why, " (");
		add_kind(c->second, why);
		buf_adds(why, ")");
	}
	buf_adds(why, reason.s);
	return false;
}

static void judge_kernel(const struct secure_boot_chain *c, size_t i, struct judgement *j)
{
	const struct efi_image *shim = c->first->kind == EFI_SHIM ? c->first : NULL, *kernel = c->kernels[i];
	struct trust trust = { TRUST_NONE, NULL };
	AUTO_BUF struct buf reason = { 0 };

	if (kernel)
		trust = judge_image(kernel, shim, false, &reason);
	else
		buf_adds(&reason, " is not signed, for it is no EFI program");
	if (trust.how != TRUST_NONE) {
		if (!j->n_good++)
			j->kernels = trust;
		else if (!same_trust(j->kernels, trust))
			j->kernels = (struct trust){ TRUST_SEVERAL, NULL };
	} else if (!j->bad_kernel.len) {
		buf_adds(&j->bad_kernel, "the kernel ");
		buf_add_escaped(&j->bad_kernel, c->kernel_names[i]);
		buf_adds(&j->bad_kernel, reason.s);
	}
}

static void add_by(struct trust trust, struct buf *out)
{
	switch (trust.how) {
	case TRUST_FIRMWARE:
		buf_addf(out, " by %s", trust.by);
		break;
	case TRUST_SHIM_KEY:
		buf_addf(out, " by the key of %s in shim", trust.by);
		break;
	case TRUST_SHIM_DIGEST:
		buf_adds(out, " named by digest in shim");
		break;
	case TRUST_SEVERAL:
		buf_adds(out, " by several keys that are trusted");
		break;
	case TRUST_NONE:
		break;
	}
}

/* Each CA once. */
static void add_microsoft_cas(const struct efi_image *img, struct buf *out)
{
	const char *last = NULL;

	for (size_t i = 0; i < img->n_signatures; i++) {
		const char *ca = img->signature[i].microsoft_ca;

		if (!ca || (last && strcmp(ca, last) == 0))
			continue;
		buf_addf(out, "%s%s", last ? " and " : "", ca);
		last = ca;
	}
}

/* "shim 15.8 is signed by A, GRUB 2.06 and the kernel by the key of B in shim" */
static void add_good_chain(const struct secure_boot_chain *c, const struct judgement *j, struct buf *why)
{
	const char *kernels = j->n_good > 1 ? "the kernels" : "the kernel";
	bool has_shim = c->first->kind == EFI_SHIM;
	bool together = has_shim && j->n_good && same_trust(j->second, j->kernels);

	add_kind(c->first, why);
	buf_adds(why, " is signed by ");
	add_microsoft_cas(c->first, why);
	if (has_shim) {
		buf_adds(why, ", ");
		add_kind(c->second, why);
		if (together)
			buf_addf(why, " and %s", kernels);
		add_by(j->second, why);
	}
	if (j->n_good && !together) {
		buf_addf(why, ", %s", kernels);
		add_by(j->kernels, why);
	}
}

/* Revocations that not all PCs have; the verdict when the rest is good. */
static enum secure_boot_verdict judge_age(const struct secure_boot_chain *c, struct buf *why)
{
	const struct efi_image *const images[] = { c->first, c->second };
	struct efi_sbat has, wanted;

	if (c->first->kind != EFI_SHIM)
		return SECURE_BOOT_YES;
	if (!c->first->sbat) {
		buf_adds(why, "; but this shim is of before 2021: PCs with newer firmware or a Windows update since "
		              "then refuse it");
		return SECURE_BOOT_UNKNOWN;
	}
	for (size_t i = 0; i < ARRAY_SIZE(known_levels); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(images); k++) {
			if (!is_revoked(images[k], known_levels[i].level, &has, &wanted))
				continue;
			buf_addf(why, "; but PCs %s refuse this %s ", known_levels[i].who, kind_word(images[k]));
			add_generations(&has, &wanted, why);
			return known_levels[i].verdict;
		}
	}
	return SECURE_BOOT_YES;
}

enum secure_boot_verdict secure_boot_judge(const struct secure_boot_chain *c, struct buf *why)
{
	CLEANUP(judgement_free) struct judgement j = { 0 };
	enum secure_boot_verdict verdict;

	if (trust_in(c->first, NULL).how == TRUST_NONE)
		return judge_untrusted_first(c->first, why);
	if (c->first->kind == EFI_SHIM && !judge_second(c, &j, why))
		return SECURE_BOOT_NO;
	for (size_t i = 0; i < c->n_kernels; i++)
		judge_kernel(c, i, &j);
	if (c->n_kernels && !j.n_good) {
		buf_adds(why, j.bad_kernel.s);
		return SECURE_BOOT_NO;
	}
	add_good_chain(c, &j, why);
	verdict = judge_age(c, why);
	if (j.n_good == c->n_kernels)
		return verdict;
	buf_addf(why, "; %zu of %zu kernels do not start: %s", c->n_kernels - j.n_good, c->n_kernels, j.bad_kernel.s);
	return SECURE_BOOT_PARTLY;
}
