// SPDX-License-Identifier: GPL-2.0-only
/* acme_aux: one object; needs acme, so depmod has something to find. */
#include <linux/init.h>
#include <linux/module.h>

#include "acme.h"

static int __init acme_aux_init(void)
{
	struct acme_seam seam = { .length = 1200 };
	int err = acme_weld(&seam);

	if (err)
		return err;
	pr_info("acme_aux: %u mm took %u kJ\n", seam.length, seam.heat);
	return 0;
}

static void __exit acme_aux_exit(void)
{
}

module_init(acme_aux_init);
module_exit(acme_aux_exit);
MODULE_DESCRIPTION("one object that needs a symbol of acme");
MODULE_AUTHOR("the koweld authors");
MODULE_LICENSE("GPL");
