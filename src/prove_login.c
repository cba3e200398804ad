/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/prove_login.h"

#include "src/base/util.h"

static const struct login table[] = {
	{ "live-boot", "user", "live" }, /* Debian, Clonezilla, GParted */
	{ "live-boot", "kali", "kali" },
	{ "live-boot", "user", "parrot" },
	{ "casper", "ubuntu", "" },
	{ "casper", "mint", "" },
	{ "dmsquash", "liveuser", "" }, /* Fedora */
	{ "dmsquash", "root", "voidlinux" },
	{ "kiwi", "root", "linux" },
	{ "linux-live", "root", "toor" },
	{ "minios", "root", "evil" },
	{ "porteus", "root", "toor" },
	{ "liveslak", "live", "live" },
	{ "liveslak", "root", "root" },
	{ "antix", "root", "root" },
	{ "antix", "demo", "demo" },
	{ "miso", "root", "manjaro" },
	{ NULL, "root", "" },
	{ NULL, "root", "live" },
	{ NULL, "root", "root" },
};

size_t logins_of(const char *family, const struct login *ret[LOGINS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(table) && n < LOGINS_MAX; i++)
		if (!table[i].family || (family && strcmp(table[i].family, family) == 0))
			ret[n++] = &table[i];
	return n;
}
