// SPDX-License-Identifier: GPL-2.0-only
/*
 * acme: a module that does little, but brings what real ones bring: exported
 * symbols (__ksymtab, __kcrctab), parameters, a WARN (__bug_table) and, from
 * glue.c, a static branch (__jump_table).
 */
#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "acme.h"

static bool gentle;
module_param(gentle, bool, 0444);
MODULE_PARM_DESC(gentle, "weld with half the heat");

static atomic64_t welded = ATOMIC64_INIT(0);

/*
 * The exports are not in the order of their names: the linker script sorts
 * their sections, so a link without it gives other bytes.
 */
u64 acme_welded(void)
{
	return atomic64_read(&welded);
}
EXPORT_SYMBOL(acme_welded);

int acme_weld(struct acme_seam *seam)
{
	if (WARN_ON_ONCE(!seam))
		return -EINVAL;
	seam->heat = acme_heat_of(seam->length);
	atomic64_add(seam->length, &welded);
	return 0;
}
EXPORT_SYMBOL(acme_weld);

static int __init acme_init(void)
{
	acme_set_gentle(gentle);
	pr_info("acme: ready\n");
	return 0;
}

static void __exit acme_exit(void)
{
	pr_info("acme: welded %llu mm\n", acme_welded());
}

module_init(acme_init);
module_exit(acme_exit);
MODULE_DESCRIPTION("two objects welded into one module");
MODULE_AUTHOR("the koweld authors");
MODULE_VERSION("1.0");
MODULE_LICENSE("GPL");
