// SPDX-License-Identifier: GPL-2.0-only
#include <linux/jump_label.h>
#include <linux/math64.h>

#include "acme.h"

#define ACME_KJ_PER_M 850

static DEFINE_STATIC_KEY_FALSE(acme_gentle);

void acme_set_gentle(bool on)
{
	if (on)
		static_branch_enable(&acme_gentle);
	else
		static_branch_disable(&acme_gentle);
}

u32 acme_heat_of(u32 length)
{
	u64 heat = mul_u32_u32(length, ACME_KJ_PER_M);

	if (static_branch_unlikely(&acme_gentle))
		heat /= 2;
	return div_u64(heat, 1000);
}
