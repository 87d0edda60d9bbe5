/* SPDX-License-Identifier: Apache-2.0 */
/* Raw sockets on the loopback interface. */
#include "inet.h"

#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>

#define ICMP_FILTER_OPTION 1 /* ICMP_FILTER, of SOL_RAW */
#define NUMBER             0x4d6f

static unsigned short sum_of(const void *bytes, size_t size)
{
	unsigned long sum = 0;

	for (size_t i = 0; i < size; i += 2)
		sum += ((const unsigned char *)bytes)[i] << 8 |
		       (i + 1 < size ? ((const unsigned char *)bytes)[i + 1] : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((unsigned short)~sum);
}

static struct icmphdr echo_request(unsigned sequence)
{
	struct icmphdr header = {.type = ICMP_ECHO,
	                         .un.echo = {htons(NUMBER), htons((unsigned short)sequence)}};

	header.checksum = sum_of(&header, sizeof header);
	return header;
}

/* Says what IPv4 packet comes next. */
static void say_packet(int fd)
{
	unsigned char bytes[256];
	struct ip *ip = (struct ip *)bytes;
	long length = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
	struct icmphdr *icmp;

	if (length < 0) {
		say("recv: %s", error_name(errno));
		return;
	}
	icmp = (struct icmphdr *)(bytes + ip->ip_hl * 4);
	say("%ld bytes, version %d, header %d, length %d, ttl %d, protocol %d, sum %s", length,
	    ip->ip_v, ip->ip_hl, ntohs(ip->ip_len), ip->ip_ttl, ip->ip_p,
	    sum_of(ip, ip->ip_hl * 4u) ? "wrong" : "right");
	say("from %s", inet_ntoa(ip->ip_src));
	say("type %d code %d number %x sequence %d", icmp->type, icmp->code,
	    ntohs(icmp->un.echo.id), ntohs(icmp->un.echo.sequence));
}

CASE(making)
{
	CALL(socket, AF_INET, SOCK_RAW, 0);
	CALL(socket, AF_INET6, SOCK_RAW, 0);
	CALL(socket, AF_INET, SOCK_RAW, -1);
	CALL(socket, AF_INET, SOCK_RAW, 256 + 7);
	CALL(socket, AF_INET, SOCK_RAW, IPPROTO_ICMP);
	CALL(socket, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	CALL(socket, AF_INET, SOCK_RAW, IPPROTO_RAW);
	CALL(listen, 3, 1);
	CALL(accept, 3, NULL, NULL);
	OPTION(3, SOL_SOCKET, SO_TYPE);
	OPTION(3, SOL_SOCKET, SO_PROTOCOL);
	SHOW(send(3, "a", 1, 0));
	SHOW(sendto(3, "a", 1, 0, at4("127.0.0.1", 0), 15));
	SHOW(sendto(3, "a", 1, MSG_OOB, LOOPBACK4(0)));
}

CASE_ALONE(without_permission)
{
	SHOW(setresuid(1000, 1000, 1000));
	CALL(socket, AF_INET, SOCK_RAW, IPPROTO_ICMP);
	CALL(socket, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
}

CASE(echo)
{
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	struct icmphdr request = echo_request(1);

	SHOW(sendto(fd, &request, sizeof request, 0, LOOPBACK4(0)));
	say_packet(fd);
	say_packet(fd);
	say_packet(fd);
	SHOW(set_int(fd, IPPROTO_IP, IP_TTL, 9));
	SHOW(connect(fd, LOOPBACK4(0)));
	request = echo_request(2);
	SHOW(send(fd, &request, sizeof request, 0));
	say_packet(fd);
}

CASE(filter)
{
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	unsigned filter = 1u << ICMP_ECHO;
	struct icmphdr request = echo_request(3);

	SHOW(setsockopt(fd, SOL_RAW, ICMP_FILTER_OPTION, &filter, sizeof filter));
	SHOW(sendto(fd, &request, sizeof request, 0, LOOPBACK4(0)));
	say_packet(fd);
	say_packet(fd);
}

CASE(own_header)
{
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW),
	    in = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	struct {
		struct ip ip;
		struct icmphdr icmp;
	} packet = {.ip = {.ip_v = 4, .ip_hl = 5, .ip_ttl = 3, .ip_p = IPPROTO_ICMP, .ip_id = 1},
	            .icmp = echo_request(4)};

	packet.ip.ip_dst.s_addr = htonl(INADDR_LOOPBACK);
	SHOW(sendto(fd, &packet, sizeof packet, 0, LOOPBACK4(0)));
	say_packet(in);
	packet.ip.ip_hl = 4;
	SHOW(sendto(fd, &packet, sizeof packet, 0, LOOPBACK4(0)));
	SHOW(sendto(fd, &packet, 19, 0, LOOPBACK4(0)));
	packet.ip.ip_hl = 15;
	SHOW(sendto(fd, &packet, sizeof packet, 0, LOOPBACK4(0)));
	OPTION(fd, IPPROTO_IP, IP_HDRINCL);
	SHOW(set_int(in, IPPROTO_IP, IP_HDRINCL, 1));
	OPTION(in, IPPROTO_IP, IP_HDRINCL);
}

CASE(echo6)
{
	int fd = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	struct icmp6_hdr header = {.icmp6_type = ICMP6_ECHO_REQUEST};

	header.icmp6_id = htons(NUMBER);
	header.icmp6_seq = htons(5);
	SHOW(sendto(fd, &header, sizeof header, 0, LOOPBACK6(0)));
	for (int i = 0; i < 3; i++) {
		long length = recv(fd, &header, sizeof header, MSG_DONTWAIT);

		say("%s", length < 0 ? error_name(errno) : "received");
		if (length > 0)
			say("%ld bytes, type %d number %x sequence %d", length, header.icmp6_type,
			    ntohs(header.icmp6_id), ntohs(header.icmp6_seq));
	}
	SHOW(sendto(fd, &header, sizeof header, 0, LOOPBACK4(0)));
}
