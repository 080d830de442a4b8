// SPDX-License-Identifier: GPL-2.0-only
/* plain: shipped as a whole unsigned module; only its signature is attached. */
#include <linux/init.h>
#include <linux/module.h>

static int __init plain_init(void)
{
	pr_info("plain: ready\n");
	return 0;
}

static void __exit plain_exit(void)
{
}

module_init(plain_init);
module_exit(plain_exit);
MODULE_DESCRIPTION("a module that needs no linking");
MODULE_AUTHOR("the koweld authors");
MODULE_LICENSE("GPL");
