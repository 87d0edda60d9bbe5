/* SPDX-License-Identifier: Apache-2.0 */
/* Uses its terminal: `tty info|size|raw|crash|wait`. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static void print_size(void)
{
	struct winsize size = {0};

	if (ioctl(0, TIOCGWINSZ, &size))
		perror("TIOCGWINSZ");
	printf("size %dx%d\n", size.ws_row, size.ws_col);
	fflush(stdout);
}

static void make_raw(void)
{
	struct termios termios;

	if (tcgetattr(0, &termios))
		perror("tcgetattr");
	termios.c_lflag &= ~(tcflag_t)(ICANON | ECHO); /* ^C goes on interrupting */
	if (tcsetattr(0, TCSANOW, &termios))
		perror("tcsetattr");
	printf("ready\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "info";
	volatile char *nowhere = NULL;
	char c;

	if (!strcmp(what, "info")) {
		printf("isatty %d %d %d\n", isatty(0), isatty(1), isatty(2));
		print_size();
		return 0;
	}
	if (!strcmp(what, "size")) { /* a line typed asks for the size again */
		print_size();
		while (read(0, &c, 1) == 1 && c != 'q')
			if (c == '\n')
				print_size();
		return 0;
	}
	make_raw(); /* and never back: that is mote's to do */
	if (!strcmp(what, "raw")) {
		while (read(0, &c, 1) == 1 && c != 'q') {
			printf("byte %02x\n", c);
			fflush(stdout);
		}
		return 7;
	}
	if (!strcmp(what, "crash"))
		*nowhere = 1;
	return read(0, &c, 1) == 1 ? 0 : 1;
}
