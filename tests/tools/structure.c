/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What verify_structure() says of an image or device, a line each: "ok ID: DETAIL", "bad ...", "unknown ...". */
#include "src/verify_structure.h"

int main(int argc, char **argv)
{
	static const char *const word[] = { "ok", "bad", "unknown" };
	struct checks c = { 0 };
	struct stick s = { 0 };
	AUTO_ERR struct err e = { 0 };
	AUTO_DEVICE struct device *d = NULL;
	int r;

	if (argc < 2)
		return 2;
	r = device_open(argv[1], false, &d, &e);
	if (r == 0 && argc > 2)
		d->sector_size = (u32)atoi(argv[2]);
	if (r == 0)
		r = stick_read(d, &s, &e);
	if (r == 0)
		r = verify_structure(d, &s, &c, &e);
	for (size_t i = 0; i < c.n; i++)
		printf("%s %s: %s\n", word[c.check[i].result], c.check[i].id, c.check[i].detail);
	if (r < 0)
		printf("failed: %s\n", e.text ? e.text : strerror(-r));
	checks_free(&c);
	stick_free(&s);
	return r < 0;
}
