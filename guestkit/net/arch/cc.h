/* SPDX-License-Identifier: Apache-2.0 */
/* What lwIP wants to know of the compiler and the system: types, random numbers, messages. */
#ifndef MOTE_GUESTKIT_NET_ARCH_CC_H
#define MOTE_GUESTKIT_NET_ARCH_CC_H

#include "guestkit/string.h"

/* No C library: types are made here where lwIP would look for headers. */
#define LWIP_NO_CTYPE_H    1
#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_LIMITS_H   1
#define LWIP_NO_UNISTD_H   1

typedef long ssize_t;
#define SSIZE_MAX 0x7fffffffffffffff

#define X8_F  "x"
#define U16_F "u"
#define S16_F "d"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "lu"

#define LWIP_PLATFORM_DIAG(message)
/* An assertion that fails is a mistake in the kit or in lwIP: it ends the guest, and says where. */
#define LWIP_PLATFORM_ASSERT(message) net_assert_failed(message)
_Noreturn void net_assert_failed(const char *message);

#define LWIP_RAND() net_random()
unsigned net_random(void);

#endif
