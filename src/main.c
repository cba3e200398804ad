/* SPDX-License-Identifier: GPL-3.0-or-later */
/* argv -> verb -> exit code. The only place that prints an error. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>

#include "src/base/buf.h"
#include "src/base/progress.h"
#include "src/verb.h"

static const struct verb *const verbs[] = { &verb_list,     &verb_inspect, &verb_create, &verb_upgrade,
	                                    &verb_rollback, &verb_verify,  &verb_boot };

static int usage(struct err *e)
{
	printf("usage: livestick VERB [options] ...\n\n"
	       "Turns a live-Linux ISO into a persistent USB stick.\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  %-9s %-14s %s\n", verbs[i]->name, verbs[i]->args, verbs[i]->help);
	printf("\n`livestick VERB --help` lists the options of a verb. Exit codes: 0 ok, 1 failed, 2 usage,\n"
	       "3 refused as unsafe, 4 verify found a difference, 5 source not usable.\n");
	return finish_stdout(e);
}

static int run(int argc, char **argv, struct err *e)
{
	if (argc < 2)
		return fail_as(e, EXIT_USAGE, -EINVAL, "no verb given: see livestick --help");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
		return usage(e);
	if (strcmp(argv[1], "--version") == 0) {
		puts("livestick " LIVESTICK_VERSION);
		return finish_stdout(e);
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(argv[1], verbs[i]->name) == 0)
			return verb_call(verbs[i], argc - 1, argv + 1, e);
	return fail_as(e, EXIT_USAGE, -EINVAL, "%s: no such verb: see livestick --help", argv[1]);
}

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* No SA_RESTART: a read that waits for the user ends too. A second Ctrl-C changes nothing: the first is acted on. */
static void catch_signals(void)
{
	const struct sigaction stop = { .sa_handler = on_signal }, ignore = { .sa_handler = SIG_IGN };

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGHUP, &stop, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

/*
 * What is large goes back to the kernel when it is freed, however much there was before: glibc would keep tens of
 * megabytes once a large piece was freed.
 */
static void return_freed_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, (int)(128 * KIB));
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	int r;

	return_freed_memory();
	catch_signals();
	r = run(argc, argv, &e);
	if (r < 0) {
		AUTO_FREE char *text = escaped(e.text ? e.text : strerror(-r));

		fprintf(stderr, "livestick: %s\n", text);
		r = e.code == EXIT_OK ? EXIT_FAILED : (int)e.code;
	}
	err_clear(&e);
	return r;
}
