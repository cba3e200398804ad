/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bootinst/syslinux.h"

#include <errno.h>

int mbr_code_load(bool gpt, u8 ret_code[MBR_CODE_SIZE], struct err *e)
{
	const char *path = gpt ? "/usr/lib/syslinux/mbr/gptmbr.bin" : "/usr/lib/syslinux/mbr/mbr.bin";
	struct blob code;
	int r = blob_load(path, MBR_CODE_SIZE, "syslinux-common", &code, e);

	if (r < 0)
		return r;
	if (!code.len) {
		free(code.data);
		return fail(e, -EINVAL, "%s: is empty", path);
	}
	memset(ret_code, 0, MBR_CODE_SIZE);
	memcpy(ret_code, code.data, code.len);
	free(code.data);
	return 0;
}
