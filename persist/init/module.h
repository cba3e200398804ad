/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef LIVESTICK_INIT_MODULE_H
#define LIVESTICK_INIT_MODULE_H

#include "persist/init/conf.h"

/*
 * Loads the modules of the configuration in their order, with options from the kernel's arguments. That one is there
 * already, or finds no device, is fine; of the others `failed` gets a list, "usb-storage (Exec format error), ...".
 */
void modules_load(const struct conf *conf, const char *cmdline, struct text *failed);

#endif
