/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_XEN_PARAM_H
#define SHIM_XEN_PARAM_H

/* The parser of an option of the command line. */
#define custom_param(name, parse) int (*shim_option)(const char *s) = parse

#endif /* SHIM_XEN_PARAM_H */
