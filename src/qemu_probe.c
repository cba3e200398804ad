/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "src/base/buf.h"
#include "src/qemu.h"

/* A working KVM needs a tenth of a second. */
#define PROBE_SECONDS 10

/*
 * A ROM that does what the firmware, a loader and a kernel do with the processor: real mode, protected mode and a
 *return from an interrupt in it, paging, long mode and a return from an interrupt in that. Then it writes "K" to the
 *serial port and resets the machine. Assembled from:
 *
 *	.code16  cli; lgdtl %cs:gdtr; mov %cr0,%eax; or $1,%al; mov %eax,%cr0; ljmpl $8,$(0xf0000 + pm)
 *	.code32  pm: mov $0x10,%eax; mov %eax,%ds; mov %eax,%es; mov %eax,%ss; mov $0x8000,%esp
 *	         pushf; push %cs; push $(0xf0000 + back); iret
 *	         back: movl $0x2003,0x1000; movl $0x3003,0x2000; movl $0x83,0x3000; mov $0x20,%eax; mov %eax,%cr4
 *	         mov $0x1000,%eax; mov %eax,%cr3; mov $0xc0000080,%ecx; rdmsr; or $1,%ah; wrmsr
 *	         mov %cr0,%eax; or $0x80000000,%eax; mov %eax,%cr0; ljmp $0x18,$(0xf0000 + lm)
 *	.code64  lm: push $0x10; push $0x8000; pushf; push $0x18; push $(0xf0000 + end); iretq
 *	         end: mov $0x3f8,%edx; mov $'K',%al; out %al,%dx; mov $0xfe,%al; out %al,$0x64; halt: hlt; jmp halt
 *	.balign 8  gdt: .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
 *	         gdtr: .word 31; .long 0xf0000 + gdt
 */
static const u8 code[] = {
	0xfa, 0x2e, 0x66, 0x0f, 0x01, 0x16, 0xc0, 0x00, 0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0, 0x66, 0xea,
	0x18, 0x00, 0x0f, 0x00, 0x08, 0x00, 0xb8, 0x10, 0x00, 0x00, 0x00, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0xbc,
	0x00, 0x80, 0x00, 0x00, 0x9c, 0x0e, 0x68, 0x30, 0x00, 0x0f, 0x00, 0xcf, 0xc7, 0x05, 0x00, 0x10, 0x00, 0x00,
	0x03, 0x20, 0x00, 0x00, 0xc7, 0x05, 0x00, 0x20, 0x00, 0x00, 0x03, 0x30, 0x00, 0x00, 0xc7, 0x05, 0x00, 0x30,
	0x00, 0x00, 0x83, 0x00, 0x00, 0x00, 0xb8, 0x20, 0x00, 0x00, 0x00, 0x0f, 0x22, 0xe0, 0xb8, 0x00, 0x10, 0x00,
	0x00, 0x0f, 0x22, 0xd8, 0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32, 0x80, 0xcc, 0x01, 0x0f, 0x30, 0x0f, 0x20,
	0xc0, 0x0d, 0x00, 0x00, 0x00, 0x80, 0x0f, 0x22, 0xc0, 0xea, 0x7c, 0x00, 0x0f, 0x00, 0x18, 0x00, 0x6a, 0x10,
	0x68, 0x00, 0x80, 0x00, 0x00, 0x9c, 0x6a, 0x18, 0x68, 0x8d, 0x00, 0x0f, 0x00, 0x48, 0xcf, 0xba, 0xf8, 0x03,
	0x00, 0x00, 0xb0, 0x4b, 0xee, 0xb0, 0xfe, 0xe6, 0x64, 0xf4, 0xeb, 0xfd, 0x0f, 0x1f, 0x40, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0x00, 0x00, 0x00, 0x9b, 0xcf, 0x00, 0xff, 0xff, 0x00, 0x00,
	0x00, 0x93, 0xcf, 0x00, 0xff, 0xff, 0x00, 0x00, 0x00, 0x9b, 0xaf, 0x00, 0x1f, 0x00, 0xa0, 0x00, 0x0f, 0x00,
};

/* Where the processor begins: ljmp $0xf000,$0 */
static const u8 reset_vector[] = { 0xea, 0x00, 0x00, 0x00, 0xf0 };

#define ROM_SIZE     (64 * KIB)
#define RESET_VECTOR (ROM_SIZE - 16)

static int open_rom(int *ret)
{
	AUTO_FREE u8 *rom = xcalloc(1, ROM_SIZE);
	int fd = memfd_create("livestick-probe", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	memcpy(rom, code, sizeof(code));
	memcpy(rom + RESET_VECTOR, reset_vector, sizeof(reset_vector));
	if (write(fd, rom, ROM_SIZE) != (ssize_t)ROM_SIZE) {
		close(fd);
		return -EIO;
	}
	*ret = fd;
	return 0;
}

int qemu_probe(const char *accel, const char *cpu, const char *dir, struct err *e)
{
	const char *const argv[] = {
		"qemu-system-x86_64",
		"-accel",
		accel,
		"-cpu",
		cpu,
		"-machine",
		"pc",
		"-nodefaults",
		"-display",
		"none",
		"-serial",
		"stdio",
		"-no-reboot",
		"-no-user-config",
		"-m",
		"16",
		"-bios",
		"/proc/self/fd/3",
		NULL,
	};
	AUTO_BUF struct buf output = { 0 };
	AUTO_CLOSE int rom = -1;
	struct spawn s = {
		.argv = argv,
		.package = "qemu-system-x86",
		.tmpdir = dir,
		.seconds = PROBE_SECONDS,
		.fds = &rom,
		.n_fds = 1,
	};
	int r = open_rom(&rom);

	if (r < 0)
		return fail(e, r, "memfd: %s", strerror(-r));
	r = spawn_run(&s, &output, e);
	if (r == 0 && (output.len == 0 || output.s[output.len - 1] != 'K'))
		r = fail(e, -EIO, "a guest with %s does not run", accel);
	return r;
}

int qemu_find(const char *dir, struct qemu *ret, struct err *e)
{
	static const char *const argv[] = { "qemu-system-x86_64", "--version", NULL };
	AUTO_ERR struct err why = { 0 };
	struct qemu q = { 0 };
	int r = spawn_run(&(struct spawn){ .argv = argv, .package = "qemu-system-x86", .tmpdir = dir, .seconds = 30 },
	                  NULL, e);

	if (r < 0)
		return r;
	if (access("/dev/kvm", R_OK | W_OK) < 0)
		r = fail(&why, -errno, "/dev/kvm: %s", errno == EACCES ? "no right to use it" : strerror(errno));
	else
		r = qemu_probe("kvm", "host", dir, &why);
	if (r == -EINTR)
		return fail(e, r, "interrupted");
	q.kvm = r == 0;
	q.why_not = why.text;
	why.text = NULL;
	*ret = q;
	return 0;
}

int qemu_find_display(const char *dir, const char **ret, struct err *e)
{
	static const char *const argv[] = { "qemu-system-x86_64", "-display", "help", NULL };
	static const char *const known[] = { "gtk", "sdl" };
	AUTO_BUF struct buf output = { 0 };
	int r = spawn_run(&(struct spawn){ .argv = argv, .package = "qemu-system-x86", .tmpdir = dir, .seconds = 30 },
	                  &output, e);

	*ret = NULL;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(known) && !*ret; i++) {
		char line[16];

		snprintf(line, sizeof(line), "\n%s\n", known[i]);
		if (strstr(output.s, line))
			*ret = known[i];
	}
	return r;
}

void qemu_free(struct qemu *q)
{
	free(q->why_not);
	*q = (struct qemu){ 0 };
}
