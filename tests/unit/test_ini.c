/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/ini.h"

#include "tests/lib/test.h"

TEST(values)
{
	static const char text[] =
	    "key = outside\n"
	    "[header]\r\nversion = 1.2\r\n\r\n"
	    "[general]\n; version = 0 of a comment\nname=Rocky Linux 9.4\nversion \t=\t 9.4\nversion = 10\n"
	    "empty =\nversions = 3\n[generals]\nkey = 1\n[ general]\nkey = 2\n[other]\nlast = = x";
	static const struct {
		const char *section, *key, *want;
	} row[] = {
		{ "header", "version", "1.2" },
		{ "general", "version", "9.4" },
		{ "general", "name", "Rocky Linux 9.4" },
		{ "general", "empty", "" },
		{ "general", "versions", "3" },
		{ "general", "key", NULL },
		{ "general", "vers", NULL },
		{ "header", "name", NULL },
		{ "nowhere", "version", NULL },
		{ "generals", "key", "1" },
		{ "other", "last", "x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		AUTO_FREE char *got = ini_value(text, row[i].section, row[i].key);

		if (row[i].want ? !got || strcmp(got, row[i].want) != 0 : got != NULL)
			test_fail(__FILE__, __LINE__, "[%s] %s: \"%s\"", row[i].section, row[i].key,
			          got ? got : "(none)");
	}
	CHECK(ini_value("", "a", "b") == NULL);
	CHECK(ini_value("[a]", "a", "") == NULL);
	CHECK(ini_value("[a\nb = 1", "a", "b") == NULL);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
