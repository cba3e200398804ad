/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The input is a boot sector and, behind it, ldlinux.sys. */
#include "bootinst/syslinux_map.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	AUTO_ERR struct err e = { 0 }, digest_error = { 0 };
	struct syslinux_map m;
	u8 digest[SHA256_SIZE];
	u64 sum = 0;

	if (size < 512)
		return 0;
	if (syslinux_boot_digest(data + 512, size - 512, data, digest, &digest_error) < 0 && !digest_error.text)
		abort();
	if (syslinux_map_read(data + 512, size - 512, data, &m, &e) < 0) {
		if (!e.text)
			abort();
		return 0;
	}
	if (m.n * 512 != size - 512 || m.n_code > m.n || strlen(m.release) >= sizeof(m.release))
		abort();
	for (size_t i = 0; i < m.n; i++)
		sum += m.sector[i];
	(void)sum;
	syslinux_map_free(&m);
	return 0;
}

#include "tests/fuzz/fuzz_main.h"
