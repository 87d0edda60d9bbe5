/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what it was started with: arguments, environment, working directory. */
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv, char **envp)
{
	char directory[4096];

	for (int i = 0; i < argc; i++)
		printf("argument [%s]\n", argv[i]);
	for (; *envp; envp++)
		printf("variable [%s]\n", *envp);
	printf("directory [%s]\n", getcwd(directory, sizeof directory) ? directory : "?");
	return 0;
}
