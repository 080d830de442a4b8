/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ACME_H
#define ACME_H

#include <linux/types.h>

/* What two plates need: the seam's length in mm and the heat in kJ. */
struct acme_seam {
	u32 length;
	u32 heat;
};

/* glue.c, within the module */
u32 acme_heat_of(u32 length);
void acme_set_gentle(bool on);

/* core.c, exported */
int acme_weld(struct acme_seam *seam);
u64 acme_welded(void);

#endif
