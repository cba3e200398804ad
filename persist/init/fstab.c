/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/fstab.h"

#include <errno.h>

static bool is_block_device(const char *line)
{
	static const char *const begins[] = {
		"UUID=",    "LABEL=",     "PARTUUID=",    "PARTLABEL=",  "ID=",     "/dev/sd",   "/dev/hd",
		"/dev/vd",  "/dev/xvd",   "/dev/nvme",    "/dev/mmcblk", "/dev/sr", "/dev/scd",  "/dev/cdrom",
		"/dev/dvd", "/dev/disk/", "/dev/mapper/", "/dev/dm-",    "/dev/md", "/dev/root",
	};

	line += strspn(line, " \t");
	line += *line == '"';
	for (size_t i = 0; i < ARRAY_SIZE(begins); i++)
		if (strncmp(line, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

int fstab_harmless(const char *in, struct text *out)
{
	int n = 0;

	while (*in) {
		size_t len = strcspn(in, "\n");
		bool changed = is_block_device(in);

		len += in[len] == '\n';
		text_add(out, "%s%.*s", changed ? "#livestick: " : "", (int)len, in);
		n += changed;
		in += len;
	}
	return out->cut ? -E2BIG : n;
}
