/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "persist/init/say.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/klog.h>
#include <termios.h>

#include "persist/init/files.h"

static struct console {
	char path[48];
	int fd; /* -1: it is gone */
} consoles[SAY_CONSOLES];
static size_t n_consoles;
static bool debugging;
static int dev = -1; /* the directory /dev, for when we have another root */

static void open_console(struct console *c)
{
	c->fd = open(c->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

static void add_console(const char *name)
{
	struct console *c = &consoles[n_consoles];

	if (n_consoles == SAY_CONSOLES)
		return;
	snprintf(c->path, sizeof(c->path), "/dev/%s", name);
	open_console(c);
	if (c->fd >= 0)
		n_consoles++;
}

void say_open(bool debug)
{
	char active[256], *p = active;

	debugging = debug;
	dev = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file_read("/sys/class/tty/console/active", active, sizeof(active)) > 0) {
		while (*(p += strspn(p, " \n"))) {
			size_t len = strcspn(p, " \n");
			bool more = p[len] != '\0';

			p[len] = '\0';
			add_console(p);
			p += len + more;
		}
	}
	if (n_consoles == 0)
		add_console("console");
}

void say_reopen(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);

	for (int i = 0; fd >= 0 && i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
	for (size_t i = 0; i < n_consoles; i++) {
		if (consoles[i].fd >= 0)
			close(consoles[i].fd);
		open_console(&consoles[i]);
	}
}

/* A console that takes nothing for a second, a serial line that waits for its other end, is given up for this line. */
static void write_to(int fd, const char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, s, len);

		if (n > 0) {
			s += n;
			len -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { fd, POLLOUT, 0 };

			if (poll(&p, 1, 1000) <= 0)
				return;
		} else if (n == 0 || errno != EINTR) {
			return;
		}
	}
}

/* At a level that consoles do not show: they have it already. Opened anew: the kernel limits the rate of an opening. */
static void write_to_log(const char *line)
{
	TEXT(entry, 1100);
	int fd = dev >= 0 ? openat(dev, "kmsg", O_WRONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	text_add(&entry, "<7>%s", line);
	write_to(fd, entry.s, entry.len);
	close(fd);
}

static void say_line(const char *fmt, va_list ap)
{
	char words[800];
	TEXT(line, 1024);

	vsnprintf(words, sizeof(words), fmt, ap);
	text_add(&line, "livestick: ");
	text_add_escaped(&line, words);
	write_to_log(line.s);
	if (line.len + 1 == line.cap)
		line.len--;
	line.s[line.len++] = '\n';
	for (size_t i = 0; i < n_consoles; i++)
		if (consoles[i].fd >= 0)
			write_to(consoles[i].fd, line.s, line.len);
	if (n_consoles == 0)
		write_to(STDERR_FILENO, line.s, line.len);
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_line(fmt, ap);
	va_end(ap);
}

void say_debug(const char *fmt, ...)
{
	va_list ap;

	if (!debugging)
		return;
	va_start(ap, fmt);
	say_line(fmt, ap);
	va_end(ap);
}

void say_kernels_words(const char *needle)
{
	static char log[32 * KIB];
	enum { SYSLOG_ACTION_READ_ALL = 3 };
	int n = klogctl(SYSLOG_ACTION_READ_ALL, log, sizeof(log) - 1);
	const char *found = NULL;

	if (n <= 0)
		return;
	log[n] = '\0';
	for (char *line = log; *line;) {
		char *end = line + strcspn(line, "\n");
		bool more = *end != '\0';

		*end = '\0';
		if (strstr(line, needle) && !strstr(line, "livestick: "))
			found = line;
		line = end + more;
	}
	if (!found)
		return;
	if (strchr(found, ']'))
		found = strchr(found, ']') + 1;
	say("  (kernel:%s)", found);
}

static char letter_of(struct console *c)
{
	char line[64];
	ssize_t n = read(c->fd, line, sizeof(line));

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		close(c->fd);
		c->fd = -1;
	}
	for (ssize_t i = 0; i < n; i++)
		if ((u8)line[i] > ' ')
			return (char)(line[i] >= 'A' && line[i] <= 'Z' ? line[i] + 'a' - 'A' : line[i]);
	return '\0';
}

static void ask_for(const char *letters)
{
	TEXT(list, 64);

	for (const char *p = letters; *p; p++)
		text_add(&list, "%s%c", p == letters ? "" : ", ", *p);
	say("type one letter (%s) and Enter", list.s);
}

char say_read_letter(const char *letters, const char **ret_console)
{
	struct pollfd p[SAY_CONSOLES];

	for (size_t i = 0; i < n_consoles; i++)
		if (consoles[i].fd >= 0)
			tcflush(consoles[i].fd, TCIFLUSH);
	ask_for(letters);
	for (;;) {
		for (size_t i = 0; i < n_consoles; i++)
			p[i] = (struct pollfd){ consoles[i].fd, POLLIN, 0 };
		if (poll(p, n_consoles, -1) <= 0)
			continue;
		for (size_t i = 0; i < n_consoles; i++) {
			char letter = p[i].revents && consoles[i].fd >= 0 ? letter_of(&consoles[i]) : '\0';

			*ret_console = consoles[i].path;
			if (letter && strchr(letters, letter))
				return letter;
			if (letter)
				ask_for(letters);
		}
	}
}
