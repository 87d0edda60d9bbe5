/* SPDX-License-Identifier: Apache-2.0 */
/* Requests on NETLINK_ROUTE sockets: which there are, who answers them, errors. */
#include <linux/errno.h>
#include <linux/rtnetlink.h>

#include "guestkit/libc-shim/netlink.h"
#include "guestkit/string.h"

/* Message types come in fours: new, delete, get, set. */
#define KIND_GET 2

/* Who answers a type, 0 or a negative errno. */
static int dispatch(struct netlink_answer *answer, const struct netlink_request *request)
{
	uint16_t type = request->header->nlmsg_type;

	if (type > RTM_MAX)
		return -EOPNOTSUPP;
	if (!request->length)
		return 0; /* as Linux has it: no family, nothing to do */
	if ((type & 3) != KIND_GET)
		return -EPERM;
	switch (type) {
	case RTM_GETLINK: return netlink_get_link(answer, request);
	case RTM_GETADDR: return netlink_get_address(answer, request);
	case RTM_GETROUTE: return netlink_get_route(answer, request);
	case RTM_GETNEIGH: return netlink_get_neighbour(answer, request);
	default: return -EOPNOTSUPP;
	}
}

/* The end of a dump; it is part of the last packet where that has room. */
static void put_done(struct netlink_answer *answer)
{
	int32_t *result = netlink_begin(answer, NLMSG_DONE, sizeof(*result));

	if (result)
		*result = 0;
	netlink_end(answer);
}

/* What came of a request. Errors have all of it behind them, other answers its header. */
static void put_error(struct netlink_answer *answer, const struct nlmsghdr *header, int result)
{
	bool has_all = result && !answer->is_capped;
	size_t quoted = has_all ? header->nlmsg_len : NLMSG_HDRLEN;
	unsigned char *body = netlink_begin(answer, NLMSG_ERROR, sizeof(int32_t) + quoted);
	int32_t error = result;

	if (!body)
		return;
	memcpy(body, &error, sizeof(error));
	memcpy(body + sizeof(error), header, quoted);
	if (!has_all)
		((struct nlmsghdr *)(answer->last->data + answer->message))->nlmsg_flags |=
		        NLM_F_CAPPED;
	netlink_end(answer);
}

/* What is asked for is a list, which NLMSG_DONE ends. */
static bool is_list(const struct netlink_request *request)
{
	return netlink_is_dump(request) && request->header->nlmsg_type <= RTM_MAX &&
	       request->length && (request->header->nlmsg_type & 3) == KIND_GET;
}

/* Answer one message, whose length fits. */
static void answer_one(struct netlink_answer *answer, const struct nlmsghdr *header)
{
	struct netlink_request request = {
	        .header = header,
	        .body = (const unsigned char *)header + NLMSG_HDRLEN,
	        .length = header->nlmsg_len - (size_t)NLMSG_HDRLEN,
	};
	bool is_request =
	        header->nlmsg_flags & NLM_F_REQUEST && header->nlmsg_type >= NLMSG_MIN_TYPE;
	int result = 0;

	request.family = request.length ? *request.body : 0;
	answer->request.nlmsg_seq = header->nlmsg_seq;
	if (is_request) {
		answer->is_dump = is_list(&request);
		result = dispatch(answer, &request);
	}
	if (answer->is_dump && !result) {
		put_done(answer); /* an acknowledgement, too */
		answer->is_dump = false;
	} else if (result || header->nlmsg_flags & NLM_F_ACK) {
		answer->is_dump = false;
		put_error(answer, header, result);
	}
	answer->shared = NULL;
}

void netlink_answer(struct netlink_answer *answer, const unsigned char *data, size_t length)
{
	size_t at = 0;

	while (!answer->has_failed && at < length && length - at >= NLMSG_HDRLEN) {
		const struct nlmsghdr *header = (const struct nlmsghdr *)(data + at);

		if (header->nlmsg_len < NLMSG_HDRLEN || header->nlmsg_len > length - at)
			break;
		answer_one(answer, header);
		at += NLMSG_ALIGN(header->nlmsg_len);
	}
}
