/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a microVM for each request cannot cost less than, with libmicrohttpd on this KVM: a server
 * whose answers take nothing but one exit of a VM that does nothing else.
 *
 *	serve-floor PORT none		no exit
 *	serve-floor PORT exit		by the thread that has the request: no process between, no
 *reset serve-floor PORT process	by a process of its own on the same processor, over a socket
 *pair
 *
 * Threads, connections and answers are as those of mote serve.
 */
int floor_main(int argc, char **argv);
#define main floor_main
#include "tests/bench/floor.c"
#undef main

#include <microhttpd.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>

#define REQUEST_SIZE 150
#define ANSWER_SIZE  1000

enum mode { MODE_NONE, MODE_EXIT, MODE_PROCESS };

struct machine {
	int vcpu;
	struct kvm_run *run;
	int socket; /* to the process that has it */
};

static enum mode mode;
static char text[ANSWER_SIZE];

static void must(bool is_right, const char *what)
{
	if (is_right)
		return;
	perror(what);
	_exit(1);
}

static void make_machine(struct machine *machine)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = ioctl(kvm, KVM_CREATE_VM, 0), size;
	uint8_t *ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct kvm_userspace_memory_region region = {.memory_size = RAM_SIZE,
	                                             .userspace_addr = (uint64_t)ram};

	must(kvm >= 0 && vm >= 0 && ram != MAP_FAILED, "KVM");
	fill_ram(ram);
	must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) >= 0, "KVM_SET_USER_MEMORY_REGION");
	machine->vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	must(machine->vcpu >= 0 && !set_cpuid(kvm, machine->vcpu) && !set_registers(machine->vcpu),
	     "a vCPU");
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	machine->run =
	        mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, machine->vcpu, 0);
	must(machine->run != MAP_FAILED, "struct kvm_run");
}

static void take_exit(struct machine *machine)
{
	must(ioctl(machine->vcpu, KVM_RUN, 0) >= 0 && machine->run->exit_reason == KVM_EXIT_IO,
	     "KVM_RUN");
	machine->run->s.regs.regs = (struct kvm_regs){.rip = CODE_ADDR, .rflags = RFLAGS_IF};
	machine->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
}

static void serve_process(struct machine *machine)
{
	char buffer[ANSWER_SIZE];

	make_machine(machine);
	while (read(machine->socket, buffer, sizeof buffer) > 0) {
		take_exit(machine);
		must(write(machine->socket, text, sizeof text) == sizeof text, "write");
	}
	_exit(0);
}

static void start_process(struct machine *machine)
{
	int pair[2];

	must(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), "socketpair");
	if (!fork()) {
		/* Nothing else of the server's: its port is to be free when it ends. */
		machine->socket = dup2(pair[1], 3);
		close_range(4, ~0u, 0);
		serve_process(machine);
	}
	close(pair[1]);
	machine->socket = pair[0];
}

/* As mote serve: a processor for each thread, and its process there, too. */
static void start(struct machine *machine)
{
	static unsigned threads;
	cpu_set_t allowed, own;
	unsigned left;

	sched_getaffinity(0, sizeof allowed, &allowed);
	left = __atomic_fetch_add(&threads, 1, __ATOMIC_RELAXED) % (unsigned)CPU_COUNT(&allowed);
	CPU_ZERO(&own);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &allowed) && !left--)
			CPU_SET(i, &own);
	sched_setaffinity(0, sizeof own, &own);
	if (mode == MODE_EXIT)
		make_machine(machine);
	else if (mode == MODE_PROCESS)
		start_process(machine);
}

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **context)
{
	static _Thread_local struct machine machine;
	static _Thread_local bool is_started;
	char buffer[ANSWER_SIZE] = "";
	struct MHD_Response *response;
	enum MHD_Result result;

	(void)cls, (void)url, (void)method, (void)version, (void)upload, (void)upload_size;
	if (!is_started)
		start(&machine);
	is_started = true;
	if (!*context) {
		*context = text;
		return MHD_YES;
	}
	if (mode == MODE_EXIT)
		take_exit(&machine);
	else if (mode == MODE_PROCESS)
		must(write(machine.socket, buffer, REQUEST_SIZE) == REQUEST_SIZE &&
		             read(machine.socket, buffer, sizeof buffer) == sizeof buffer,
		     "a process");
	response = MHD_create_response_from_buffer(sizeof text, text, MHD_RESPMEM_PERSISTENT);
	result = MHD_queue_response(connection, 200, response);
	MHD_destroy_response(response);
	return result;
}

int main(int argc, char **argv)
{
	static const char *const modes[] = {"none", "exit", "process"};
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	struct MHD_Daemon *daemon;

	while (argc == 3 && mode <= MODE_PROCESS && strcmp(argv[2], modes[mode]))
		mode++;
	if (argc != 3 || mode > MODE_PROCESS) {
		fprintf(stderr, "usage: serve-floor PORT none|exit|process\n");
		return 2;
	}
	memset(text, 'x', sizeof text);
	address.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	must(!bind(listener, (struct sockaddr *)&address, sizeof address) && !listen(listener, 100),
	     "a port");
	daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
	                                  MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC,
	                          0, NULL, NULL, answer, NULL, MHD_OPTION_THREAD_POOL_SIZE,
	                          (unsigned)sysconf(_SC_NPROCESSORS_ONLN),
	                          MHD_OPTION_CONNECTION_TIMEOUT, 60u, MHD_OPTION_END);
	must(daemon, "libmicrohttpd");
	fprintf(stderr, "listening on %s\n", argv[1]);
	for (;;) {
		int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		socklen_t length = sizeof address;

		if (client >= 0 && !getpeername(client, (struct sockaddr *)&address, &length))
			MHD_add_connection(daemon, client, (struct sockaddr *)&address, length);
	}
}
