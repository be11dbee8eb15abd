/*
 * Where a path leads. A symlink may be made anew, and so may what it leads to be: each name on the
 * way is one of a folder that is watched. (Symlinks among the folders themselves are followed
 * once.)
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

/* Cuts a path in two. */
static int split(struct place *place, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    int length = slash == NULL ? 0 : slash == path ? 1 : (int)(slash - path);
    int written = snprintf(place->name, sizeof place->name, "%s", *name != '\0' ? name : ".");
    if (written >= (int)sizeof place->name)
        return -ENAMETOOLONG;
    (void)snprintf(place->folder, sizeof place->folder, "%.*s", slash != NULL ? length : 1,
                   slash != NULL ? path : ".");
    return 0;
}

static int watch_place(struct tail *tail, struct place *place)
{
    place->folder_id = aio_watch_add(tail->watch, place->folder, FOLDER_EVENTS);
    return place->folder_id < 0 ? place->folder_id : 0;
}

/* The path of what a symlink there says. */
static int join(char path[PATH_BYTES], const struct place *place, const char *target)
{
    int length = *target == '/' ? snprintf(path, PATH_BYTES, "%s", target)
                                : snprintf(path, PATH_BYTES, "%s/%s", place->folder, target);
    return length < PATH_BYTES ? 0 : -ENAMETOOLONG;
}

/* Watches before it looks, so that no change is missed. Returns how many places there are, or
 * -errno. */
static int find_all(struct tail *tail, const char *begin, struct place *places)
{
    char path[PATH_BYTES], target[PATH_BYTES];
    if (snprintf(path, sizeof path, "%s", begin) >= PATH_BYTES)
        return -ENAMETOOLONG;
    for (int i = 0; i < LINKS_MAX; i++) {
        int rc = split(&places[i], path);
        if (rc == 0)
            rc = watch_place(tail, &places[i]);
        if (rc < 0)
            return rc;
        ssize_t n = aio_path_readlink(AT_FDCWD, path, target, sizeof target);
        if (n == -ECANCELED)
            return (int)n;
        if (n < 0)
            return i + 1; /* no symlink, or nothing as yet */
        if ((rc = join(path, &places[i], target)) < 0)
            return rc;
    }
    return -ELOOP;
}

static bool is_used(const struct tail *tail, int id)
{
    for (int i = 0; i < tail->count; i++)
        for (int j = 0; j < tail->sources[i].place_count; j++)
            if (tail->sources[i].places[j].folder_id == id)
                return true;
    return false;
}

/* The files that are open go on, without a name in the new folder. */
static void leave_folder(struct source *source)
{
    for (struct file *file = source->files; file != NULL; file = file->next) {
        file->name[0] = '\0';
        file->cookie = 0;
        file->renamed = true;
        file->gone = file->open == NULL;
    }
}

int find_places(struct tail *tail, struct source *source)
{
    struct place *places = calloc(LINKS_MAX, sizeof *places), *before = source->places;
    int count_before = source->place_count;
    if (places == NULL)
        return -ENOMEM;
    int count = find_all(tail, source->path, places);
    if (count < 0) {
        free(places);
        return count;
    }
    source->places = places;
    source->place_count = count;
    const struct place *new = last_place(source);
    if (before != NULL && (before[count_before - 1].folder_id != new->folder_id ||
                           strcmp(before[count_before - 1].name, new->name) != 0))
        leave_folder(source);
    for (int i = 0; i < count_before; i++)
        if (!is_used(tail, before[i].folder_id))
            (void)aio_watch_remove(tail->watch, before[i].folder_id);
    free(before);
    return 0;
}
