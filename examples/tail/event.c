/*
 * What happens in the folder of a file, written down. All files that get the name one after the
 * other are known that way, and by which names they go when the next one has come, however fast
 * that is.
 */
#include "examples/tail/tail.h"

#include <stdlib.h>
#include <string.h>

struct file *file_named(const struct source *source, const char *name)
{
    for (struct file *file = source->files; file != NULL; file = file->next)
        if (file->name != NULL && strcmp(file->name, name) == 0)
            return file;
    return NULL;
}

static struct file *file_renamed(const struct source *source, uint32_t cookie)
{
    for (struct file *file = source->files; file != NULL; file = file->next)
        if (cookie != 0 && file->cookie == cookie)
            return file;
    return NULL;
}

static void append(struct source *source, struct file *file)
{
    struct file **end = &source->files;
    while (*end != NULL)
        end = &(*end)->next;
    file->next = NULL;
    *end = file;
}

void make_newest(struct source *source, struct file *file)
{
    struct file **at = &source->files;
    while (*at != file)
        at = &(*at)->next;
    *at = file->next;
    append(source, file);
}

void name_file(struct file *file, const char *name)
{
    free(file->name);
    file->name = name == NULL ? NULL : strdup(name);
}

struct file *add_file(struct tail *tail, struct source *source, const char *name)
{
    struct file *file = calloc(1, sizeof *file);
    if (file == NULL)
        return NULL;
    name_file(file, name);
    if (file->name == NULL) {
        free(file);
        return NULL;
    }
    file->serial = ++tail->serial;
    append(source, file);
    return file;
}

static void take_name(struct file *file, uint32_t cookie)
{
    if (file == NULL)
        return;
    name_file(file, NULL);
    file->cookie = cookie;
    file->renamed = true;
    file->awaits = false;
    file->gone = file->open == NULL && (cookie == 0 || file->unfit);
}

static void give_name(struct source *source, struct file *file, const char *name)
{
    name_file(file, name);
    file->cookie = 0;
    file->renamed = true;
    file->awaits = false;
    file->gone = file->gone || (file->name == NULL && file->open == NULL);
    source->changed = source->changed || file->open == NULL;
    if (strcmp(name, last_place(source)->name) == 0)
        make_newest(source, file);
}

/* Something has come to the folder, in place of what had its name. */
static void note_arrival(struct tail *tail, struct source *source,
                         const struct aio_watch_event *event)
{
    struct file *file = file_renamed(source, event->cookie);
    take_name(file_named(source, event->name), 0);
    if (file != NULL)
        give_name(source, file, event->name);
    else if (strcmp(event->name, last_place(source)->name) == 0)
        (void)add_file(tail, source, event->name); /* without memory it is found by its name */
}

/* What could not be opened may be open to us now. It is known again from here on, so that it is
 * found also when it has another name by the time that somebody looks. */
static void note_attributes(struct tail *tail, struct source *source, const char *name)
{
    if (strcmp(name, last_place(source)->name) == 0 && file_named(source, name) == NULL)
        (void)add_file(tail, source, name);
}

static void note_in_folder(struct tail *tail, struct source *source,
                           const struct aio_watch_event *event)
{
    if ((event->mask & (IN_CREATE | IN_MOVED_TO)) != 0)
        note_arrival(tail, source, event);
    if ((event->mask & IN_MOVED_FROM) != 0)
        take_name(file_named(source, event->name), event->cookie);
    if ((event->mask & IN_DELETE) != 0)
        take_name(file_named(source, event->name), 0);
    if ((event->mask & IN_ATTRIB) != 0)
        note_attributes(tail, source, event->name);
    if (strcmp(event->name, last_place(source)->name) == 0)
        source->changed = true;
}

/* Events have been dropped: what is known of names may be wrong. */
static void note_overflow(struct source *source)
{
    for (struct file *file = source->files; file != NULL; file = file->next)
        take_name(file, 0);
    source->grown = source->changed = source->relinked = true;
}

void note_event(struct tail *tail, struct source *source, const struct aio_watch_event *event)
{
    if ((event->mask & IN_Q_OVERFLOW) != 0)
        note_overflow(source);
    for (int i = 0; i < source->place_count; i++) {
        const struct place *place = &source->places[i];
        if (place->folder_id != event->id)
            continue;
        if ((event->mask & IN_IGNORED) != 0)
            source->relinked = true; /* the folder is gone */
        else if (i == source->place_count - 1)
            note_in_folder(tail, source, event);
        else if (strcmp(place->name, event->name) == 0)
            source->relinked = true;
    }
    for (const struct file *file = source->files; file != NULL; file = file->next)
        if (file->open != NULL && file->id == event->id)
            source->grown = true;
}
