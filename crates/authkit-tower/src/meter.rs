//! Counts denials and sign-ins for the recorder of the crate `metrics`; does nothing without the feature `metrics`.

#[cfg(not(feature = "metrics"))]
mod off;
#[cfg(feature = "metrics")]
mod recording;

#[cfg(not(feature = "metrics"))]
pub(crate) use self::off::NoLayerMeter as LayerMeter;
#[cfg(feature = "metrics")]
pub(crate) use self::recording::LayerMeter;
