/*
 * Where a path leads. A symlink may be made anew, and so may what it leads to be: each name on the
 * way is one of a folder that is watched.
 *
 * Events alone do not tell that a path leads through another folder than before. One that has been
 * removed and made again lives on, in silence, as long as tail has a file of it open; and what
 * happens to names in the middle of a path is not watched: a folder renamed, a symlink switched.
 * So the places are found again at intervals. For a folder that is watched already the kernel has
 * the same id again: another id is another folder.
 */
#include "examples/tail/tail.h"

#include <aio/path.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FOLDER_EVENTS = IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_ATTRIB | IN_ONLYDIR,
};

const struct place *last_place(const struct source *source)
{
    return &source->places[source->place_count - 1];
}

/* Cuts a path in two, shorter than PATH_BYTES. */
static void split(struct place *place, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    int length = slash == NULL ? 0 : slash == path ? 1 : (int)(slash - path);
    (void)snprintf(place->name, sizeof place->name, "%s", *name != '\0' ? name : ".");
    (void)snprintf(place->folder, sizeof place->folder, "%.*s", slash != NULL ? length : 1,
                   slash != NULL ? path : ".");
}

static int watch_place(struct tail *tail, struct place *place)
{
    int id = aio_watch_add(tail->watch, place->folder, FOLDER_EVENTS);
    place->folder_id = id < 0 ? 0 : id;
    return id < 0 ? id : 0;
}

/* The path of what a symlink there says. */
static int join(char path[PATH_BYTES], const struct place *place, const char *target)
{
    int length = *target == '/' ? snprintf(path, PATH_BYTES, "%s", target)
                                : snprintf(path, PATH_BYTES, "%s/%s", place->folder, target);
    return length < PATH_BYTES ? 0 : -ENAMETOOLONG;
}

/* Watches before it looks, so that no change is missed. Returns 0; or why the path leads nowhere,
 * of which the last place is then the reason. */
static int find_all(struct tail *tail, const char *begin, struct place *places, int *count)
{
    char path[PATH_BYTES], target[PATH_BYTES];
    *count = 1;
    if (snprintf(path, sizeof path, "%s", begin) >= PATH_BYTES)
        return -ENAMETOOLONG;
    for (;; ++*count) {
        struct place *place = &places[*count - 1];
        split(place, path);
        int rc = watch_place(tail, place);
        if (rc < 0)
            return rc;
        ssize_t n = aio_path_readlink(AT_FDCWD, path, target, sizeof target);
        if (n < 0)
            return n == -ECANCELED ? (int)n : 0; /* no symlink, or nothing as yet */
        rc = *count < LINKS_MAX ? join(path, place, target) : -ELOOP;
        if (rc < 0)
            return rc;
    }
}

static bool is_used(const struct tail *tail, int id)
{
    for (int i = 0; i < tail->count; i++)
        for (int j = 0; j < tail->sources[i].place_count; j++)
            if (tail->sources[i].places[j].folder_id == id)
                return true;
    return false;
}

int confirm_place(struct tail *tail, struct source *source)
{
    const struct place *place = last_place(source);
    int id = aio_watch_add(tail->watch, place->folder, FOLDER_EVENTS);
    if (id == place->folder_id)
        return 0;
    source->relinked = true;
    if (id > 0 && !is_used(tail, id))
        (void)aio_watch_remove(tail->watch, id);
    return id < 0 ? id : -ENOENT;
}

/* The files that are open go on, without a name in the new folder. */
static void leave_folder(struct source *source)
{
    for (struct file *file = source->files; file != NULL; file = file->next) {
        name_file(file, NULL);
        file->cookie = 0;
        file->renamed = true;
        file->gone = file->open == NULL;
    }
}

static bool is_same(const struct place *a, const struct place *b)
{
    return a->folder_id == b->folder_id && strcmp(a->name, b->name) == 0;
}

int find_places(struct tail *tail, struct source *source)
{
    struct place *places = calloc(LINKS_MAX, sizeof *places), *before = source->places;
    int count_before = source->place_count;
    if (places == NULL)
        return -ENOMEM;
    int rc = find_all(tail, source->path, places, &source->place_count);
    source->places = places;
    if (rc < 0 || (before != NULL && !is_same(&before[count_before - 1], last_place(source))))
        leave_folder(source);
    for (int i = 0; i < count_before; i++)
        if (!is_used(tail, before[i].folder_id))
            (void)aio_watch_remove(tail->watch, before[i].folder_id);
    free(before);
    return rc;
}
