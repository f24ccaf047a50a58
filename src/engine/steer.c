#include "engine/inner.h"

#include <fcntl.h>
#include <unistd.h>

/* Directives for running commands [K61]: a file beside $REEVE_OUTPUT, replaced as a whole, so that a reader never sees half of it. */

void rv_steer_write(rv_attempt *attempt)
{
    rv_job *job = attempt->job;
    rv_buf text = {0}, made = {0};
    for (uint32_t i = 0; i < job->run->steers.count; i++) {
        if (job->run->steers.at[i].node != attempt->node) continue;
        rv_buf_cstring(&text, "{\"text\":");
        rv_json_quote(&text, rv_run_steer(job->run, i));
        rv_buf_cstring(&text, "}\n");
    }
    if (text.size && attempt->dir) {
        const char *path = attempt->dir->env_steer + sizeof RV_STEER_IS - 1;
        rv_buf_printf(&made, "%s.new", path);
        int fd = open(made.at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        bool is_written = fd >= 0 && write(fd, text.at, text.size) == (ssize_t)text.size;
        if (fd >= 0) close(fd);
        if (!is_written || rename(made.at, path) != 0)
            rv_log(RV_LOG_WARN, "a directive could not be written to %s: %s", path, strerror(errno));
    }
    rv_buf_deinit(&made);
    rv_buf_deinit(&text);
}
