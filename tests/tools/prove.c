/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * prove_boot() on a stick, for tests/suite/prove.sh:
 *
 *	prove STICK FIRMWARE[,FIRMWARE]|default [SECONDS [SCREENSHOTS]]
 *
 * A line for each check: "ok", "bad" or "unknown", its id, its sentence. What is going on goes to stderr.
 */
#include "src/prove.h"

static void say(void *ctx, const char *line)
{
	(void)ctx;
	fprintf(stderr, "%s\n", line);
}

static int run(const char *path, const char *firmwares, struct prove_request *q, struct checks *c, struct err *e)
{
	AUTO_DEVICE struct device *d = NULL;
	struct stick s = { 0 };
	int r = device_open(path, false, &d, e);

	if (r == 0)
		r = stick_read(d, &s, e);
	if (r == 0)
		r = prove_choose(strcmp(firmwares, "default") == 0 ? NULL : firmwares, &s, q->firmware, e);
	if (r == 0)
		r = prove_make_dir(q, e);
	if (r == 0)
		r = prove_boot(d, &s, q, NULL, c, e);
	stick_free(&s);
	return r;
}

int main(int argc, char **argv)
{
	static const char *const word[] = { "ok", "bad", "unknown" };
	struct prove_request q = { .say = say, .memory = GIB };
	AUTO_ERR struct err e = { 0 };
	struct checks c = { 0 };
	int r;

	if (argc < 3)
		return 2;
	q.seconds = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
	q.screenshots = argc > 4 ? argv[4] : NULL;
	r = run(argv[1], argv[2], &q, &c, &e);
	for (size_t i = 0; i < c.n; i++)
		printf("%s %s %s\n", word[c.check[i].result], c.check[i].id, c.check[i].detail);
	checks_free(&c);
	if (r < 0)
		fprintf(stderr, "prove: %s\n", e.text);
	return r < 0;
}
