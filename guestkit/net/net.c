/* SPDX-License-Identifier: Apache-2.0 */
/* The network stack as a whole: its start, its end of each call, and what lwIP wants of a system.
 */
#include "guestkit/net/net.h"

#include <linux/errno.h>

#include "guestkit/clock.h"
#include "guestkit/console.h"
#include "guestkit/net/net_port.h"
#include "guestkit/process_end.h"
#include "guestkit/random.h"
#include "lwip/dns.h"
#include "lwip/init.h"
#include "lwip/ip_addr.h"
#include "lwip/sys.h"

#define NS_PER_MS     1000000ull
#define ASSERT_STATUS 134 /* 128 + SIGABRT */

static bool is_started, is_finishing;

int net_start(void)
{
	if (is_started)
		return 0;
	is_started = true;
	lwip_init();
	net_loopback_start();
	if (virtio_net_start)
		virtio_net_start();
	net_finish();
	return 0;
}

void net_enter(void)
{
	net_timers_enter();
}

void net_finish(void)
{
	if (is_finishing)
		return;
	is_finishing = true;
	net_loopback_deliver();
	net_device_flush();
	net_timers_leave();
	is_finishing = false;
}

int net_errno(err_t error)
{
	switch (error) {
	case ERR_OK: return 0;
	case ERR_MEM:
	case ERR_BUF: return -ENOBUFS;
	case ERR_TIMEOUT: return -ETIMEDOUT;
	case ERR_RTE: return -ENETUNREACH;
	case ERR_INPROGRESS: return -EINPROGRESS;
	case ERR_WOULDBLOCK: return -EAGAIN;
	case ERR_USE: return -EADDRINUSE;
	case ERR_ALREADY: return -EALREADY;
	case ERR_ISCONN: return -EISCONN;
	case ERR_CONN:
	case ERR_CLSD: return -ENOTCONN;
	case ERR_IF: return -EIO;
	case ERR_ABRT:
	case ERR_RST: return -ECONNRESET;
	default: return -EINVAL;
	}
}

/* ---- for lwIP ---- */

ip_addr_t net_name_servers[NET_NAME_SERVERS];

/* lwIP's own resolver is not there: these are kept for /etc/resolv.conf. */
void dns_init(void)
{
}

void dns_setserver(u8_t number, const ip_addr_t *server)
{
	if (number < NET_NAME_SERVERS)
		net_name_servers[number] = server ? *server : *IP_ADDR_ANY;
}

const ip_addr_t *dns_getserver(u8_t number)
{
	return number < NET_NAME_SERVERS ? &net_name_servers[number] : IP_ADDR_ANY;
}

u32_t sys_now(void)
{
	return (u32_t)(clock_monotonic() / NS_PER_MS);
}

unsigned net_random(void)
{
	unsigned value;

	random_fill(&value, sizeof(value));
	return value;
}

void net_assert_failed(const char *message)
{
	kit_print("mote: guest kit: network stack: assertion failed: %s\n", message);
	end_exit(ASSERT_STATUS);
}
