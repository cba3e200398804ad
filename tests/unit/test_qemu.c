/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/lib/sandbox.h"
#include "tests/lib/test.h"

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool has_qemu(void)
{
	return sandbox_run("command -v qemu-system-x86_64") == 0;
}

static bool has(const struct qemu_argv *a, const char *arg)
{
	for (size_t i = 0; i + 1 < a->n; i++)
		if (strcmp(a->arg[i], arg) == 0)
			return true;
	return false;
}

TEST(the_command_line)
{
	AUTO_DEVICE struct device *small = device_new_memory("a,b=c", MIB, 512),
	                          *large = device_new_memory("x", MIB, 4096);
	struct qemu_machine m = { .firmware = FIRMWARE_BIOS, .memory = GIB, .vars = -1, .stick = small };
	struct qemu_argv a;

	qemu_argv(&m, &a);
	CHECK(a.arg[a.n - 1] == NULL);
	CHECK_STR(a.arg[0], "qemu-system-x86_64");
	CHECK(has(&a, "tcg") && has(&a, "qemu64,+rdrand") && has(&a, "pc,graphics=off") && has(&a, "1024M"));
	CHECK(has(&a, "-nodefaults") && has(&a, "-no-user-config") && has(&a, "-no-reboot"));
	CHECK(has(&a, "if=none,id=stick,format=raw,file.driver=nbd,file.server.type=fd,file.server.str=3"));
	CHECK(
	    has(&a, "usb-storage,removable=on,drive=stick,bootindex=0,logical_block_size=512,physical_block_size=512"));
	/* nothing that the user has named */
	for (size_t i = 0; i + 1 < a.n; i++)
		CHECK(!strstr(a.arg[i], "a,b=c"));
	qemu_argv_free(&a);

	m = (struct qemu_machine){ .firmware = FIRMWARE_BIOS,
		                   .kvm = true,
		                   .memory = GIB,
		                   .vars = -1,
		                   .stick = large,
		                   .display = "gtk",
		                   .restarts = true };
	qemu_argv(&m, &a);
	CHECK(has(&a, "kvm") && has(&a, "host") && has(&a, "gtk") && has(&a, "usb-tablet") && !has(&a, "-no-reboot"));
	CHECK(has(&a, "virtio-blk-pci,drive=stick,bootindex=0,logical_block_size=4096,physical_block_size=4096"));
	qemu_argv_free(&a);
}

TEST(firmwares_have_names)
{
	enum firmware f;

	for (int i = 0; i < N_FIRMWARES; i++) {
		CHECK_U64(firmware_by_name(firmware_name[i], &f), 0);
		CHECK_U64(f, i);
	}
	CHECK(firmware_by_name("", &f) == -EINVAL);
	CHECK(firmware_by_name("BIOS", &f) == -EINVAL);
}

/* The tiny guest, emulated: what it goes through is what a processor does. */
TEST(the_probe_runs_where_there_is_a_processor)
{
	AUTO_ERR struct err e = { 0 };

	if (!has_qemu())
		test_skip("qemu-system-x86_64 is not installed");
	CHECK_OK(qemu_probe("tcg", "qemu64", "/var/tmp", &e), &e);
	/* and it notices one that is none of 64 bits: the guest's fault is a reset without a word */
	CHECK_FAILS(qemu_probe("tcg", "qemu32", "/var/tmp", &e), &e, "a guest with tcg does not run");
	CHECK_FAILS(qemu_probe("no-such-thing", "qemu64", "/var/tmp", &e), &e, "ended with exit status");
}

/* Whatever the machine's /dev/kvm does: there is an answer, and a reason with it. */
TEST(kvm_is_found_or_a_reason_why_not)
{
	AUTO_ERR struct err e = { 0 };
	double begun = seconds_now();
	struct qemu q;

	if (!has_qemu())
		test_skip("qemu-system-x86_64 is not installed");
	if (!CHECK_OK(qemu_find("/var/tmp", &q, &e), &e))
		return;
	CHECK(q.kvm == (q.why_not == NULL));
	CHECK(seconds_now() - begun < 60);
	if (access("/dev/kvm", F_OK) < 0)
		CHECK(!q.kvm);
	qemu_free(&q);
}

TEST(firmware_variables_are_a_copy)
{
	AUTO_CLOSE int fd = -1, second = -1;
	AUTO_ERR struct err e = { 0 };
	u8 bytes[16], other[16];

	CHECK_OK(qemu_open_vars(FIRMWARE_BIOS, &fd, &e), &e);
	CHECK(fd == -1);
	if (access("/usr/share/OVMF/OVMF_VARS_4M.ms.fd", R_OK) < 0)
		test_skip("ovmf is not installed");
	CHECK_OK(qemu_open_vars(FIRMWARE_SECUREBOOT, &fd, &e), &e);
	CHECK(pread(fd, bytes, 16, 0) == 16);
	CHECK(pwrite(fd, "changed", 7, 0) == 7);
	CHECK_OK(qemu_open_vars(FIRMWARE_SECUREBOOT, &second, &e), &e);
	CHECK(pread(second, other, 16, 0) == 16);
	CHECK(memcmp(bytes, other, 16) == 0);
}

/* A boot sector that writes a word on the serial port and one to the stick, and a picture of the screen. */
TEST(a_machine_starts_from_its_stick)
{
	static const u8 boot[] = {
		0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0xbc, 0x00, 0x7c, /* cli, segments 0, stack */
		0x52,                                                                   /* push dx: the drive */
		0xba, 0xf8, 0x03, 0xb0, 'H',  0xee, 0xb0, 'i',  0xee, 0xb0, '\n', 0xee, /* out "Hi" */
		0x5a, 0xb8, 0x01, 0x03, 0xb9, 0x05, 0x00, 0xb6, 0x00, /* pop dx; write 1 sector, number 5 */
		0xbb, 0x00, 0x7c, 0xcd, 0x13, 0xf4, 0xeb, 0xfd,       /* from 0x7c00; int 0x13; hlt */
	};
	AUTO_DEVICE struct device *d = device_new_memory("stick", 4 * MIB, 512);
	struct qemu_machine m = { .firmware = FIRMWARE_BIOS, .memory = 64 * MIB, .vars = -1, .stick = d };
	AUTO_BUF struct buf said = { 0 };
	AUTO_FREE void *png = NULL;
	AUTO_ERR struct err e = { 0 };
	u8 sector[512] = { 0 }, copy[512] = { 0 };
	double begun = seconds_now();
	size_t len = 0;
	struct pc pc;

	if (!has_qemu())
		test_skip("qemu-system-x86_64 is not installed");
	memcpy(sector, boot, sizeof(boot));
	sector[510] = 0x55;
	sector[511] = 0xaa;
	CHECK_OK(device_write(d, 0, sector, 512, &e), &e);
	if (!CHECK_OK(qemu_start(&m, &pc, &e), &e))
		return;
	buf_adds(&said, "");
	while (!strstr(said.s, "Hi\n") && seconds_now() - begun < 60 && !child_has_ended(&pc.child)) {
		char piece[512];
		ssize_t n = recv(pc.serial, piece, sizeof(piece), MSG_DONTWAIT);

		if (n > 0)
			buf_add(&said, piece, (size_t)n);
		else
			usleep(20000);
	}
	CHECK(strstr(said.s, "Hi\n") != NULL);
	while (nbd_serve_counts(pc.server).written < 512 && seconds_now() - begun < 60)
		usleep(20000);
	CHECK_OK(qemu_screenshot(&pc, &png, &len, &e), &e);
	CHECK(len > 100 && memcmp(png, "\x89PNG\r\n\x1a\n", 8) == 0);
	CHECK_OK(qemu_end(&pc, &e), &e);
	CHECK_OK(qemu_end(&pc, &e), &e);
	CHECK_OK(device_read(d, 4 * 512, copy, 512, &e), &e);
	CHECK(memcmp(copy, sector, 512) == 0);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv);
}
