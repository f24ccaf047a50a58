/* timed RESULTS COUNT COMMAND [ARGUMENT …]: run COMMAND COUNT times, one after another, and write to the file RESULTS
 * one line a run: seconds, peak resident KiB of the largest process among it and its waited-for descendants, exit
 * status (128+N: signal N).
 *
 * It exists because a peak measured from a large parent is the parent's: until its exec a child counts the memory it
 * was spawned from. This parent is small, so what it reports is COMMAND's own. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Run it once; false: it could not be spawned or waited for. */
static int run_once(FILE *results, char **command)
{
    double began_s = now_s();
    pid_t pid = vfork();
    if (pid == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    int status;
    struct rusage usage;
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
        return 0;
    double seconds = now_s() - began_s;
    int exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    fprintf(results, "%.6f %ld %d\n", seconds, usage.ru_maxrss, exit_status);
    return 1;
}

int main(int argc, char **argv)
{
    int count = argc > 3 ? atoi(argv[2]) : 0;
    if (count < 1) {
        fprintf(stderr, "usage: timed RESULTS COUNT COMMAND [ARGUMENT …]\n");
        return 2;
    }
    FILE *results = fopen(argv[1], "we");
    if (!results) {
        perror(argv[1]);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        if (!run_once(results, argv + 3)) {
            perror("timed");
            return 1;
        }
    }
    return fclose(results) == 0 ? 0 : 1;
}
