/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `mote doctor` share: findings, and the checks that are not in its main file. */
#ifndef MOTE_VMM_DOCTOR_H
#define MOTE_VMM_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

enum verdict {
	SKIPPED,
	OK,
	ADVICE,
	PROBLEM,
};

/* What earlier checks have learnt. */
struct host {
	bool has_vmx;    /* Intel VT-x */
	bool has_svm;    /* AMD-V */
	bool is_virtual; /* a hypervisor runs this host */
	bool is_pvm;     /* KVM without hardware virtualisation */
	bool has_tun;    /* /dev/net/tun can be opened */
	int kvm;         /* /dev/kvm, or -1 */
};

struct finding {
	enum verdict verdict;
	char text[640];
};

/**
 * found() - Fill a finding; text that is too long is cut.
 * @fmt: printf format: one line without a final newline
 */
void found(struct finding *finding, enum verdict verdict, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

/**
 * doctor_append() - Append a name to a list of names; one that does not fit is cut.
 * @size: of @list, in bytes
 */
void doctor_append(char *list, size_t size, const char *name);

/* ---- doctor_tools.c: programs of others that mote or its tools start ---- */

void doctor_check_passt(struct host *host, struct finding *finding);
void doctor_check_mkfs(struct host *host, struct finding *finding);
void doctor_check_compiler(struct host *host, struct finding *finding);

/* ---- doctor_devices.c: what --net tap, --share and --name need ---- */

void doctor_check_tun(struct host *host, struct finding *finding);
void doctor_check_tap(struct host *host, struct finding *finding);
void doctor_check_shares(struct host *host, struct finding *finding);
void doctor_check_files(struct host *host, struct finding *finding);
void doctor_check_control(struct host *host, struct finding *finding);

#endif
