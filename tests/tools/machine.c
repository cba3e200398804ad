/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine NAME COMMAND...: runs it with LIVESTICK_SYSROOT at a machine of tests/fixtures/machines. */
#include <stdio.h>
#include <sys/wait.h>

#include "tests/lib/machine.h"

int main(int argc, char **argv)
{
	struct machine m;
	int status = 0;
	pid_t child;

	if (argc < 3) {
		fputs("usage: machine NAME COMMAND...\n", stderr);
		return 2;
	}
	machine_unpack(argv[1], NULL, &m);
	setenv("LIVESTICK_SYSROOT", m.dir, 1);
	child = fork();
	if (child == 0) {
		execv(argv[2], argv + 2);
		_exit(127);
	}
	waitpid(child, &status, 0);
	machine_free(&m);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
