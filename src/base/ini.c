/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/base/ini.h"

static bool is_section(const char *line, size_t len, const char *name)
{
	return len == strlen(name) + 2 && line[0] == '[' && memcmp(line + 1, name, len - 2) == 0 &&
	       line[len - 1] == ']';
}

char *ini_value(const char *text, const char *section, const char *key)
{
	bool inside = false;

	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\r\n"), n = strcspn(line, " \t=\r\n");
		const char *value = line + n + strspn(line + n, " \t=");

		if (*line == '[')
			inside = is_section(line, len, section);
		else if (inside && n == strlen(key) && memcmp(line, key, n) == 0)
			return xstrndup(value, strcspn(value, "\r\n"));
		line += len + strspn(line + len, "\r\n");
	}
	return NULL;
}
