#include "cli/compiled.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "base/mem.h"

#define DAY_S 86400

typedef struct form { rv_str name; struct timespec used; uint64_t size; } form;

bool rv_compiled_use(const char *path)
{
    struct stat info;
    if (access(path, R_OK) != 0 || stat(path, &info) != 0) return false;
    bool is_old = time(NULL) - info.st_mtim.tv_sec > DAY_S;
    if (is_old) (void)utimensat(AT_FDCWD, path, NULL, 0); /* who may only read it does without */
    return true;
}

static int by_use(const void *a, const void *b) /* the latest first */
{
    const struct timespec *x = &((const form *)a)->used, *y = &((const form *)b)->used;
    if (x->tv_sec != y->tv_sec) return x->tv_sec > y->tv_sec ? -1 : 1;
    return x->tv_nsec == y->tv_nsec ? 0 : x->tv_nsec > y->tv_nsec ? -1 : 1;
}

void rv_compiled_clean(const char *path)
{
    struct stat info;
    rv_arena arena = {0};
    RV_VEC(form) forms = {0};
    DIR *dir = opendir(path);
    if (!dir) return;
    time_t now = time(NULL);
    for (struct dirent *entry; (entry = readdir(dir));) {
        rv_str name = rv_str_of(entry->d_name);
        bool is_form = rv_str_ends(name, RV_STR(".img")), is_unfinished = rv_str_ends(name, RV_STR(".new"));
        if ((!is_form && !is_unfinished) || fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
        time_t age_s = now - info.st_mtim.tv_sec;
        if (age_s > (is_form ? RV_COMPILED_AGE_MAX_S : RV_COMPILED_UNFINISHED_MAX_S)) (void)unlinkat(dirfd(dir), entry->d_name, 0);
        else if (is_form) rv_vec_push(&forms, ((form){rv_arena_str(&arena, name), info.st_mtim, (uint64_t)info.st_size}));
    }
    if (forms.count) qsort(forms.at, forms.count, sizeof *forms.at, by_use);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < forms.count; i++) {
        bytes += forms.at[i].size;
        if (i >= RV_COMPILED_FORMS_MAX || (i && bytes > RV_COMPILED_BYTES_MAX)) (void)unlinkat(dirfd(dir), forms.at[i].name.at, 0);
    }
    closedir(dir);
    rv_vec_deinit(&forms);
    rv_arena_deinit(&arena);
}
