/*
 * Acting on what has happened: files that have come are opened, the oldest first, and printed to
 * their end before the next one is.
 */
#include "examples/tail/tail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void free_file(struct tail *tail, struct source *source, struct file *file)
{
    struct file **at = &source->files;
    while (*at != file)
        at = &(*at)->next;
    *at = file->next;
    close_file(tail, file);
    free(file->name);
    free(file);
}

/* Files that nobody can see any more, and the oldest of too many. */
static void sweep(struct tail *tail, struct source *source)
{
    int open = 0;
    struct file *next;
    for (struct file *file = source->files; file != NULL; file = next) {
        next = file->next;
        open += file->open != NULL;
        if (file->gone)
            free_file(tail, source, file);
    }
    for (struct file *file = source->files; file != NULL && open > FILES_KEPT; file = next) {
        next = file->next;
        if (file->open == NULL)
            continue;
        free_file(tail, source, file);
        open--;
    }
}

static struct file *same_file(const struct source *source, const struct file *found)
{
    for (struct file *file = source->files; file != NULL; file = file->next)
        if (file->open != NULL && file->device == found->device && file->number == found->number)
            return file;
    return NULL;
}

/* It is followed already, and has come back. */
static void recognize(struct source *source, struct file *known, struct file *file)
{
    free(known->name);
    known->name = file->name;
    known->cookie = 0;
    file->name = NULL;
    file->gone = true;
    if (strcmp(known->name, last_place(source)->name) == 0)
        make_newest(source, known);
}

/* Goes on with what was found at the file's name. */
static int accept_file(struct tail *tail, struct source *source, struct file *file,
                       struct file *found)
{
    struct file *known = same_file(source, found);
    if (known != NULL) {
        (void)aio_file_close(found->open);
        recognize(source, known, file);
        return 0;
    }
    int rc = watch_file(tail, found);
    if (rc < 0) {
        (void)aio_file_close(found->open);
        return rc;
    }
    file->open = found->open;
    file->id = found->id;
    file->device = found->device;
    file->number = found->number;
    rc = source->fresh ? seek_lines(file, tail->lines) : 0;
    source->fresh = false;
    return rc;
}

bool is_unfit(int error)
{
    return error == -EISDIR || error == -EINVAL || error == -ENXIO || error == -ENAMETOOLONG;
}

/* Nothing that can be followed has been found at the file's name. What is not there may be on its
 * way to another name, of which the next event tells; of a symlink its own place is to be found.
 * What is no file is not opened again, as devices and FIFOs take note of that. Anything else (no
 * permission, no descriptors) may pass. */
static void refuse_file(struct source *source, struct file *file, int error)
{
    bool ours = strcmp(file->name, last_place(source)->name) == 0;
    file->awaits = error == -ENOENT;
    file->unfit = is_unfit(error);
    file->gone = !file->awaits && !file->unfit;
    source->relinked = source->relinked || (ours && error == -ELOOP);
    if (ours)
        source->error = error;
}

/* In the folder that is watched, and no other that may have come in its place. */
static int open_here(struct tail *tail, struct source *source, struct file *file,
                     struct file *found)
{
    char path[PATH_BYTES];
    int length = snprintf(path, sizeof path, "%s/%s", last_place(source)->folder, file->name);
    int rc = length < PATH_BYTES ? open_file(path, found) : -ENAMETOOLONG;
    if (rc < 0)
        return rc;
    rc = confirm_place(tail, source);
    if (rc < 0)
        (void)aio_file_close(found->open);
    return rc;
}

/* Looks at a file. The name that leads to it may change in that moment: what was opened is the one
 * that was meant if no event tells that it has. */
static int meet_file(struct tail *tail, struct source *source, struct file *file)
{
    struct file found = {.offset = 0};
    file->renamed = false;
    int rc = open_here(tail, source, file, &found);
    int taken = rc == -ECANCELED ? rc : take_events(tail, EVENTS_MAX, 1);
    if (taken < 0 || file->renamed) {
        if (rc == 0)
            (void)aio_file_close(found.open);
        return taken;
    }
    if (rc == 0)
        rc = accept_file(tail, source, file, &found);
    if (rc < 0 && rc != -ECANCELED)
        refuse_file(source, file, rc);
    return rc == -ECANCELED ? rc : 0;
}

static struct file *next_to_meet(const struct source *source)
{
    for (struct file *file = source->files; file != NULL; file = file->next)
        if (file->open == NULL && !file->awaits && !file->unfit && !file->gone &&
            file->name != NULL)
            return file;
    return NULL;
}

/* Looks at all files that have come, and prints each to its end. */
static int meet_files(struct tail *tail, struct source *source)
{
    struct file *file;
    int rc = drain_files(tail, source);
    while (rc == 0 && (file = next_to_meet(source)) != NULL) {
        rc = meet_file(tail, source, file);
        if (rc == 0)
            rc = drain_files(tail, source);
        sweep(tail, source);
    }
    sweep(tail, source);
    return rc;
}

/* Tells what has become of the name; of what is in the way, once. */
static void tell(struct source *source)
{
    bool placed = source->place_count > 0; /* there was memory */
    const struct file *file = placed ? file_named(source, last_place(source)->name) : NULL;
    bool there = file != NULL && file->open != NULL;
    if (there && source->missing)
        say(source, "has appeared");
    else if (there && source->told != 0 && source->told != file->serial)
        say(source, "was replaced");
    else if (!there && source->error < 0 && source->error != source->complaint)
        complain(source, source->error);
    source->complaint = there ? 0 : source->error < 0 ? source->error : source->complaint;
    source->told = there ? file->serial : source->told;
    source->missing = !there;
}

/* Makes sure that what has the name will be looked at, whether an event has told of it or not. A
 * path that leads nowhere may do so later. */
static int look_at_name(struct tail *tail, struct source *source)
{
    int rc = source->relinked ? find_places(tail, source) : 0;
    source->changed = source->relinked = false;
    if (rc == 0 && file_named(source, last_place(source)->name) == NULL &&
        add_file(tail, source, last_place(source)->name) == NULL)
        rc = -ENOMEM;
    if (rc < 0)
        source->error = rc;
    return rc == -ECANCELED ? rc : 0;
}

/* What was renamed and has not arrived since has left the folder. */
static void retry_files(struct source *source)
{
    for (struct file *file = source->files; file != NULL; file = file->next) {
        bool on_its_way = file->open == NULL && file->cookie != 0;
        file->gone = file->gone || (on_its_way && file->awaits);
        file->awaits = on_its_way;
    }
}

int settle(struct tail *tail, struct source *source)
{
    source->error = 0;
    retry_files(source);
    int rc = meet_files(tail, source);
    while (rc == 0 && (source->changed || source->relinked)) {
        rc = look_at_name(tail, source);
        if (rc == 0)
            rc = meet_files(tail, source);
    }
    if (rc == 0)
        tell(source);
    return rc;
}

void close_source(struct tail *tail, struct source *source)
{
    while (source->files != NULL)
        free_file(tail, source, source->files);
    free(source->places);
    source->places = NULL;
    source->place_count = 0;
}
