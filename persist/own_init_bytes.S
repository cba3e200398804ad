/* SPDX-License-Identifier: GPL-3.0-or-later */
	.section .rodata
	.balign	16
	.global	own_init_begin
	.global	own_init_end
own_init_begin:
	.incbin	OWN_INIT
own_init_end:
	.byte	0
	.section .note.GNU-stack, "", %progbits
