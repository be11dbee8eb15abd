/*
 * Extended attributes. On the pool's threads.
 */
#ifndef AIO_FS_XATTR_H
#define AIO_FS_XATTR_H

/*
 * Gives an open file the extended attributes that another one has, and takes away the access lists
 * that it has not: a new file may have got some from its directory. What the caller may not set, or
 * the file system does not know, is left out. Returns 0 or -errno.
 */
int aio__xattr_copy(int from, int to);

#endif
